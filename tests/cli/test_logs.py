"""opsjobs logs: whole and in order over connections that break, and harmless to a terminal."""

import json
import re
import threading
from typing import Any

import pytest

from tests.cli.conftest import Opsjobs
from tests.cli.scripted import NOW, Answer, Scripted, content, event, job, node, problem, stream
from tests.cli.terminal import Terminal

JOB = "made-aaaaaa"
PATH = f"/api/v1/opsjobs/{JOB}"
LOG = f"{PATH}/log"
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\u202eevil[red]not red[/red]"


def line(number: int, text: str = "", name: str = "n1", **fields: Any) -> bytes:
    said = {"node": name, "step": "run", "attempt": 1, "time": NOW, "text": text or f"line {number}", **fields}
    return event("line", said, f"at-{number}")


def lines(first: int, last: int) -> list[bytes]:
    return [line(number) for number in range(first, last + 1)]


END = event("end", {}, "at-end")


def test_output_is_shown_and_what_was_asked_for_is_asked(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers[LOG] = [stream(*lines(1, 2), END)]
    whole = opsjobs("logs", JOB)
    assert (whole.code, whole.out) == (0, "n1: line 1\nn1: line 2\n"), whole.err
    asked = opsjobs("logs", JOB, "--node", "n1", "--step", "run", "--tail", "5", "--since", NOW)
    assert asked.out == "line 1\nline 2\n"
    (none, headers), (some, _) = scripted.asked(LOG)
    assert none == {}
    assert headers["Accept"] == "text/event-stream"
    assert some == {"node": "n1", "step": "run", "tailLines": "5", "sinceTime": NOW}
    wide = opsjobs("logs", JOB, "-o", "wide", "--utc").out.splitlines()[0]
    assert wide == "2026-01-02 03:04:05Z n1 run#1: line 1"
    assert [json.loads(one)["text"] for one in opsjobs("logs", JOB, "-o", "json").out.splitlines()] == [
        "line 1",
        "line 2",
    ]


@pytest.mark.parametrize(("phase", "code"), [("Succeeded", 0), ("Failed", 1)])
def test_who_follows_ends_as_the_job(opsjobs: Opsjobs, scripted: Scripted, phase: str, code: int) -> None:
    scripted.answers = {LOG: [stream(*lines(1, 2), END)], PATH: [content(job(JOB, phase))]}
    ended = opsjobs("logs", "-f", JOB)
    assert (ended.code, ended.out) == (code, "n1: line 1\nn1: line 2\n")
    assert scripted.asked(LOG)[0][0] == {"follow": "true"}


def test_no_line_is_missing_and_none_comes_twice_after_breaks(opsjobs: Opsjobs, scripted: Scripted) -> None:
    """Half an event, a 503, a connection without a byte, one that is closed: what was whole does not come again."""
    half = line(3)[:-4]
    scripted.answers = {
        LOG: [
            stream(*lines(1, 2), half, breaks=True),
            problem(503, "UNAVAILABLE", "restarting"),
            stream(breaks=True),
            stream(*lines(3, 4)),
            stream(*lines(5, 6), END),
        ],
        PATH: [content(job(JOB, "Succeeded"))],
    }
    ended = opsjobs("logs", "-f", JOB)
    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [f"n1: line {number}" for number in range(1, 7)]
    assert "trying again" in ended.err
    assert "answers again" in ended.err
    resumed = [headers.get("Last-Event-ID", "") for _, headers in scripted.asked(LOG)]
    assert resumed == ["", "at-2", "at-2", "at-2", "at-4"]


def test_a_person_sees_that_the_service_was_away_and_every_line(scripted: Scripted) -> None:
    scripted.answers = {
        LOG: [stream(*lines(1, 2), breaks=True), problem(503, "UNAVAILABLE", "restarting"), stream(*lines(3, 4), END)],
        PATH: [content(job(JOB, "Failed"))],
    }
    terminal = Terminal("logs", "-f", JOB)
    assert terminal.ended() == 1
    shown = terminal.screen.splitlines()
    assert [line for line in shown if line.startswith("n1: ")] == [f"n1: line {number}" for number in range(1, 5)]
    assert sum("trying again" in line for line in shown) == 1
    assert sum("answers again" in line for line in shown) == 1


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(401, 3, "--audience=opsjobs"), (403, 3, "opsjobs whoami"), (503, 4, "the service cannot do this now (503)")],
)
def test_a_person_is_told_what_to_do_about_a_refusal(scripted: Scripted, status: int, code: int, words: str) -> None:
    answer = problem(status, "ANY", "said by the service")
    answer.headers["Retry-After"] = "0"
    scripted.answers["/api/v1/opsjobs"] = [answer]
    terminal = Terminal("list")
    assert terminal.ended() == code
    assert "said by the service" in terminal.screen
    assert words in terminal.screen
    assert "Traceback" not in terminal.screen


def test_lines_of_no_node_are_told_from_those_of_one(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers[LOG] = [stream(line(1, "n1: fooled", ""), END)]
    assert opsjobs("logs", JOB).out == "-: n1: fooled\n"


def test_a_gap_is_shown_where_it_is_with_its_times(opsjobs: Opsjobs, scripted: Scripted) -> None:
    until = "2026-01-02T03:05:00.123456789Z"
    gap = {"node": "n1", "step": "run", "attempt": 1, "since": NOW, "until": until, "reason": HOSTILE}
    scripted.answers[LOG] = [stream(line(1), event("gap", gap), line(9), END)]
    terminal = Terminal("logs", JOB, "--utc")
    assert terminal.ended() == 0
    assert [shown[:80] for shown in terminal.screen.splitlines()] == [
        "n1: line 1",
        "--- n1: lines are missing from 2026-01-02 03:04:05Z to 2026-01-02 03:05:00Z (\\x1",
        "n1: line 9",
    ]
    ended = opsjobs("logs", JOB)
    assert ended.out == "n1: line 1\nn1: line 9\n"
    assert "lines are missing" in ended.err
    gone = {"node": "", "step": "", "attempt": 0, "since": "", "until": "", "reason": "pod gone"}
    scripted.answers[LOG] = [stream(event("gap", gone), END)]
    assert opsjobs("logs", JOB).err == "--- lines are missing (pod gone) ---\n"
    scripted.answers[LOG] = [stream(line(1), event("gap", gap), line(9), END)]
    assert "gap" in json.loads(opsjobs("logs", JOB, "-o", "json").out.splitlines()[1])


@pytest.mark.parametrize("shape", ["table", "wide", "json", "name"])
def test_what_a_step_writes_does_not_drive_the_terminal(opsjobs: Opsjobs, scripted: Scripted, shape: str) -> None:
    scripted.answers[LOG] = [stream(line(1, HOSTILE, HOSTILE, step=HOSTILE, time=HOSTILE), END)]
    ended = opsjobs("logs", JOB, "-o", shape)
    assert ended.code == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", ended.out)
    assert "[red]not red[/red]" in ended.out


def test_a_person_can_have_it_as_it_was_written(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers[LOG] = [stream(line(1, "\x1b[32mgreen\x1b[0m", HOSTILE), END)]
    raw = opsjobs("logs", JOB, "--raw").out
    assert raw.endswith(": \x1b[32mgreen\x1b[0m\n")
    # Of the step, and of nothing else.
    assert "\x1b]0" not in raw


def test_a_service_without_the_call_is_called_older(opsjobs: Opsjobs, scripted: Scripted) -> None:
    for words in (["logs", JOB], ["logs", "-f", JOB], ["events", "-f", JOB], ["nodes"], ["freeze", "--show"]):
        ended = opsjobs(*words)
        assert ended.code == 3
        assert "older than this command" in ended.err
    assert len(scripted.seen) == 5


@pytest.mark.parametrize(("status", "code"), [(400, 3), (403, 3), (404, 3)])
def test_a_refusal_ends_it_with_the_services_words(
    opsjobs: Opsjobs, scripted: Scripted, status: int, code: int
) -> None:
    scripted.answers[LOG] = [problem(status, "TOO_MANY_NODES", "name one of the 51 nodes in work")]
    for words in (["logs", JOB], ["logs", "-f", JOB]):
        ended = opsjobs(*words)
        assert ended.code == code
        assert "name one of the 51 nodes" in ended.err


def test_a_token_that_ends_in_the_middle_is_read_again(
    opsjobs: Opsjobs, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = iter(["old", "new"])
    monkeypatch.setattr("opsjobs_cli.tokens.Path.read_text", lambda *_a, **_k: next(words))
    scripted.answers[LOG] = [stream(line(1)), problem(401, "UNAUTHENTICATED"), stream(line(2), END)]
    ended = opsjobs("logs", JOB, "--token-file", "token")
    assert (ended.code, ended.out) == (0, "n1: line 1\nn1: line 2\n"), ended.err
    sent = [headers["Authorization"] for _, headers in scripted.asked(LOG)]
    assert sent == ["Bearer old", "Bearer old", "Bearer new"]


def test_a_service_that_stays_away_is_given_up(
    opsjobs: Opsjobs, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsjobs_cli.log_commands._PATIENCE", 0)
    scripted.answers[LOG] = [stream(line(1), breaks=True), problem(503, "UNAVAILABLE", "not now")]
    ended = opsjobs("logs", JOB)
    assert ended.code == 4
    assert ended.out == "n1: line 1\n"
    assert "not now" in ended.err


def test_ctrl_c_while_following_leaves_the_job(scripted: Scripted) -> None:
    held = threading.Event()
    scripted.answers[LOG] = [stream(line(1), until=held)]
    terminal = Terminal("logs", "-f", JOB)
    terminal.until("line 1")
    terminal.press("\x03")
    assert terminal.ended() == 130
    held.set()
    assert f"opsjobs watch {JOB}" in terminal.screen
    assert {method for method, *_ in scripted.seen} == {"GET"}


def test_output_of_a_node_that_is_done_is_not_the_end_of_the_job(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers = {
        LOG: [stream(line(1), END)],
        PATH: [content(job(JOB)), content(job(JOB, "Failed"))],
    }
    ended = opsjobs("logs", "-f", JOB, "--node", "n1")
    assert (ended.code, ended.out) == (1, "line 1\n")
    assert ended.err.count("waiting for the end of the job") == 1


def test_a_new_job_is_followed_to_its_end(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers = {
        "POST /api/v1/opsjobs": [content({"plan": {"nodes": [node()], "excluded": []}, "planDigest": "d"}),
                                 content({"jobId": JOB})],
        LOG: [stream(line(1), END)],
        PATH: [content(job(JOB, "Failed"))],
    }  # fmt: skip
    ended = opsjobs("addon", "-t", "fix", "--node", "n1", "--follow")
    assert (ended.code, ended.out) == (1, "n1: line 1\n")
    assert JOB in ended.err


def test_a_new_job_without_output_is_waited_for(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers = {
        "POST /api/v1/opsjobs": [content({"plan": {"nodes": [node()], "excluded": []}, "planDigest": "d"}),
                                 content({"jobId": JOB})],
        LOG: [problem(400, "TOO_MANY_NODES", "name a node")],
        PATH: [content(job(JOB, "Succeeded"))],
    }  # fmt: skip
    ended = opsjobs("addon", "-t", "fix", "--node", "n1", "--follow")
    assert ended.code == 0
    assert "its output is not shown: name a node" in ended.err


def test_a_wait_that_is_over_leaves_the_job(opsjobs: Opsjobs, scripted: Scripted) -> None:
    held = threading.Event()
    scripted.answers = {
        "POST /api/v1/opsjobs": [content({"jobId": JOB})],
        LOG: [stream(line(1), until=held)],
    }
    ended = opsjobs("addon", "-t", "fix", "--node", "n1", "--yes", "--follow", "--wait-timeout", "0.2")
    held.set()
    assert ended.code == 124
    assert f"opsjobs watch {JOB}" in ended.err


def test_a_wait_is_over_while_the_service_is_away_too(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers = {
        "POST /api/v1/opsjobs": [content({"jobId": JOB})],
        LOG: [stream(line(1)), problem(503, "UNAVAILABLE")],
    }
    ended = opsjobs("addon", "-t", "fix", "--node", "n1", "--yes", "--follow", "--wait-timeout", "0.5")
    assert ended.code == 124
    assert "trying again" in ended.err


def test_what_a_proxy_sends_instead_of_events_is_no_output(
    opsjobs: Opsjobs, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsjobs_cli.log_commands._PATIENCE", 0)
    scripted.answers[LOG] = [Answer(b"<html>log in</html>", media_type="text/html")]
    ended = opsjobs("logs", JOB)
    assert (ended.code, ended.out) == (4, "")
    assert "no stream of events" in ended.err
