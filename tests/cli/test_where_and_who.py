"""Which service a command goes to, and with which token: none goes where it was not meant for."""

import json
import socket
import stat
import threading
from pathlib import Path

import pytest
from opsjobs_cli import moments
from opsjobs_cli.complaints import RefusedError
from opsjobs_cli.service_client import Service
from opsjobs_cli.whereto import Asked, direct

from tests.cli.conftest import Opsjobs
from tests.cli.served import Served


def test_without_anything_it_says_what_to_set(nowhere: Opsjobs) -> None:
    ended = nowhere("list")
    assert ended.code == 2
    assert "OPSJOBS_URL" in ended.err


def test_without_a_token_it_says_how_to_get_one(nowhere: Opsjobs, service: Served) -> None:
    ended = nowhere("list", "--url", service.url)
    assert ended.code == 2
    assert "kubectl create token" in ended.err
    assert not service.seen


def test_a_context_is_made_used_and_forgotten(nowhere: Opsjobs, service: Served, tmp_path: Path) -> None:
    assert nowhere("context", "set", "here", "--url", service.url, "--token-stdin", stdin="bob\n").code == 0
    file = tmp_path / "config" / "contexts.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    job_id = nowhere("reboot", "--node", "n1").out.strip()
    assert service.job(job_id).user_name == "bob"
    assert (
        nowhere("context", "set", "there", "--url", "https://there.example.com", "--token-stdin", stdin="x").code == 0
    )
    assert nowhere("get", job_id, "--context", "here").code == 0
    listed = nowhere("context", "list")
    assert "bob" not in listed.out
    assert [line.split()[:2] for line in listed.out.splitlines()[1:]] == [
        ["*", "here"],
        ["there", "https://there.example.com"],
    ]
    assert nowhere("context", "use", "there").code == 0
    assert json.loads(file.read_text())["current"] == "there"
    assert nowhere("context", "delete", "there").code == 0
    assert nowhere("list", "--context", "there").code == 2


def test_a_file_with_a_token_that_others_may_read_is_refused(nowhere: Opsjobs, service: Served, tmp_path: Path) -> None:
    nowhere("context", "set", "here", "--url", service.url, "--token-stdin", stdin="bob")
    (tmp_path / "config" / "contexts.json").chmod(0o644)
    ended = nowhere("list")
    assert ended.code == 2
    assert "chmod 600" in ended.err
    assert not service.seen


def test_a_contexts_token_is_not_sent_to_another_url(nowhere: Opsjobs, service: Served) -> None:
    nowhere("context", "set", "here", "--url", "https://here.example.com", "--token-stdin", stdin="bob")
    assert nowhere("list", "--url", service.url).code == 2
    nowhere.environment.setenv("OPSJOBS_URL", service.url)
    assert nowhere("list").code == 2
    assert not service.seen


def test_a_new_url_of_a_context_forgets_its_token(nowhere: Opsjobs, service: Served) -> None:
    nowhere("context", "set", "here", "--url", "https://here.example.com", "--token-stdin", stdin="bob")
    nowhere("context", "set", "here", "--url", service.url)
    assert nowhere("list").code == 2
    assert not service.seen


def test_a_program_gives_the_token_as_programs_for_kubectl_do(
    nowhere: Opsjobs, service: Served, tmp_path: Path
) -> None:
    program = tmp_path / "login"
    program.write_text('#!/bin/sh\necho \'{"kind": "ExecCredential", "status": {"token": "carol"}}\'\n')
    program.chmod(0o755)
    nowhere("context", "set", "here", "--url", service.url, "--exec", str(program))
    assert service.job(nowhere("reboot", "--node", "n1").out.strip()).user_name == "carol"
    program.write_text("#!/bin/sh\necho no >&2; exit 3\n")
    ended = nowhere("list")
    assert ended.code == 2
    assert "ended with 3" in ended.err


def test_a_token_that_has_ended_is_read_again(nowhere: Opsjobs, service: Served, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    service.world.unknown_tokens.add("old")
    refused = nowhere("list", "--url", service.url, "--token-file", str(token))
    assert refused.code == 3
    assert "--audience=opsjobs" in refused.err

    words = iter(["old", "new"])
    nowhere.environment.setattr("opsjobs_cli.tokens.Path.read_text", lambda *_a, **_k: next(words))
    assert nowhere("list", "--url", service.url, "--token-file", "token").code == 0


@pytest.mark.parametrize("content", ["", "two words", "Grüße", "a\nb", "a\x1b"])
def test_what_is_no_token_is_not_sent(nowhere: Opsjobs, service: Served, tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content)
    assert nowhere("list", "--url", service.url, "--token-file", str(token)).code == 2
    assert nowhere("list", "--url", service.url, "--token-file", "/does/not/exist").code == 2
    assert not service.seen


@pytest.mark.parametrize(
    "url",
    ["http://opsjobs.example.com", "ftp://a", "opsjobs.example.com", "https://u:p@a", "https://a?b", "", "https://"],
)
def test_no_token_goes_to_what_is_no_service_or_unencrypted(nowhere: Opsjobs, url: str) -> None:
    nowhere.environment.setenv("OPSJOBS_TOKEN", "alice")
    assert nowhere("list", "--url", url).code == 2


def test_plain_http_is_a_persons_own_choice() -> None:
    chosen = direct(Asked(url="http://opsjobs.example.com/", plain_http=True), {"OPSJOBS_TOKEN": "alice"})
    assert (chosen.url, chosen.token(), chosen.is_here) == ("http://opsjobs.example.com", "alice", False)


def test_a_service_that_is_away_has_an_exit_status_of_its_own(
    nowhere: Opsjobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSJOBS_TOKEN", "alice")
    monkeypatch.setattr("opsjobs_cli.service_client._FIRST_PAUSE", 0)
    ended = nowhere("list", "--url", "http://127.0.0.1:1")
    assert ended.code == 4
    assert "not reachable" in ended.err


@pytest.mark.parametrize(
    ("status", "code", "tries"), [(503, 4, 4), (500, 4, 4), (429, 4, 4), (403, 3, 1), (302, 3, 1), (404, 3, 1)]
)
def test_what_may_pass_is_tried_again_and_nothing_else(
    opsjobs: Opsjobs, service: Served, status: int, code: int, tries: int
) -> None:
    service.instead = [(status, {"Retry-After": "0", "Location": "http://127.0.0.1:1/"})] * 4
    ended = opsjobs("list")
    assert (ended.code, len(service.seen)) == (code, tries)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(opsjobs: Opsjobs) -> None:
    opsjobs.environment.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    opsjobs.environment.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert opsjobs("list").code == 0


def test_a_proxy_of_the_environment_is_asked_for_other_machines(
    nowhere: Opsjobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is told nothing but where to: the token goes through it encrypted."""
    monkeypatch.setattr("opsjobs_cli.service_client.TRIES", 1)
    monkeypatch.setattr("opsjobs_cli.service_client._FIRST_PAUSE", 0)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def refuse() -> None:
            while True:
                try:
                    connection, _ = proxy.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(4096))
                    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        nowhere.environment.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        nowhere.environment.setenv("OPSJOBS_TOKEN", "alice")
        ended = nowhere("list", "--url", "https://opsjobs.example.com")
        proxy.shutdown(socket.SHUT_RDWR)
    assert ended.code == 4
    assert heard[0].startswith(b"CONNECT opsjobs.example.com:443")
    assert b"alice" not in b"".join(heard)


@pytest.mark.usefixtures("opsjobs")
def test_a_service_that_lacks_a_call_is_called_older() -> None:
    with Service(direct(Asked()), note=print) as service, pytest.raises(RefusedError, match="older than this command"):
        service.get("/api/v1/nothing")


def test_both_versions_are_shown(opsjobs: Opsjobs) -> None:
    found = json.loads(opsjobs("version", "-o", "json").out)
    assert set(found) == {"client", "service"}
    assert json.loads(opsjobs("version", "--client", "-o", "json").out) == {"client": found["client"]}
    assert opsjobs("--version").out == f"opsjobs {found['client']}\n"


def test_times_are_read_as_people_write_them() -> None:
    now = moments.read("2026-01-02T03:04:05Z")
    assert moments.asked("90m", now) == "2026-01-02T01:34:05.000Z"
    assert moments.asked("7d", now) == "2025-12-26T03:04:05.000Z"
    assert moments.asked("2026-01-02T03:04:05+01:00") == "2026-01-02T02:04:05.000Z"
    assert moments.asked("99999999999999d", now)
    assert [moments.spoken(seconds) for seconds in (0, 119, 120, 7199, 7200, 172_800)] == [
        "0s", "119s", "2m00s", "119m59s", "2h00m", "2d0h",
    ]  # fmt: skip
