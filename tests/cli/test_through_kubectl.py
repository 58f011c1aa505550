"""--kubeconfig: kubectl leads to the service and gets the token; it is a program of this test, with a real port."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from tests.cli.conftest import Opsjobs
from tests.cli.served import Served
from tests.cli.terminal import COMMAND

#: Writes down what it is called with, and forwards connections to the port in TO.
KUBECTL = """#!{python}
import json, os, socket, sys, threading
words = sys.argv[1:]
with open("{folder}/called", "a") as file:
    file.write(json.dumps(words) + "\\n")
if "get" in words:
    items = json.load(open("{folder}/services"))
    print(json.dumps({{"items": items}}))
elif "create" in words:
    print("carol")
else:
    with open("{folder}/pids", "a") as file:
        file.write(f"{{os.getpid()}}\\n")
    wanted = int(words[-1].partition(":")[0] or 0)
    server = socket.create_server(("127.0.0.1", wanted))
    print(f"Forwarding from 127.0.0.1:{{server.getsockname()[1]}} -> 8080", flush=True)
    def pump(a, b):
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    broken = "{folder}/breaks"
    while True:
        client, _ = server.accept()
        if os.path.exists(broken):
            os.remove(broken)
            sys.exit(1)
        there = socket.create_connection(("127.0.0.1", {to}))
        for pair in ((client, there), (there, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()
"""


@pytest.fixture
def kubectl(nowhere: Opsjobs, service: Served, tmp_path: Path) -> Path:
    program = tmp_path / "bin" / "kubectl"
    program.parent.mkdir()
    program.write_text(KUBECTL.format(python=sys.executable, folder=tmp_path, to=service.url.rpartition(":")[2]))
    program.chmod(0o755)
    shown = {"metadata": {"name": "opsjobs"}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    (tmp_path / "services").write_text(json.dumps([shown]))
    nowhere.environment.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path


def called(kubectl: Path) -> list[list[str]]:
    return [json.loads(line) for line in (kubectl / "called").read_text().splitlines()]


def test_the_service_is_reached_and_the_token_is_an_accounts(nowhere: Opsjobs, service: Served, kubectl: Path) -> None:
    ended = nowhere(
        "reboot", "--node", "n1", "--kubeconfig", "my.kubeconfig", "--context", "prod", "--service-account", "ops"
    )
    assert ended.code == 0, ended.err
    assert service.job(ended.out.strip()).user_name == "carol"
    common = ["--kubeconfig=my.kubeconfig", "--context=prod", "-n", "opsjobs"]
    get, forward, token = called(kubectl)
    assert get[:5] == [*common, "get"]
    assert forward == [*common, "port-forward", "--address", "127.0.0.1", "service/opsjobs", ":http"]
    assert token == [*common, "create", "token", "ops", "--audience=opsjobs"]
    assert_gone(kubectl)


def test_a_context_keeps_it(nowhere: Opsjobs, service: Served, kubectl: Path) -> None:
    assert nowhere("context", "set", "k", "--service-account", "ops", "-n", "tools", "--kube-context", "dev").code == 0
    assert nowhere("list").code == 0
    assert called(kubectl)[0][:3] == ["--context=dev", "-n", "tools"]
    assert "of ops, by kubectl" in nowhere("context", "list").out
    assert service.seen


def test_a_forwarding_that_ends_is_begun_again_at_the_same_port(
    nowhere: Opsjobs, service: Served, kubectl: Path
) -> None:
    (kubectl / "breaks").touch()
    nowhere.environment.setattr("opsjobs_cli.service_client._FIRST_PAUSE", 0)
    ended = nowhere("list", "--kubeconfig", "x", "--service-account", "ops")
    assert ended.code == 0, ended.err
    assert "trying again" in ended.err
    assert len([words for words in called(kubectl) if "port-forward" in words]) == 2
    assert service.seen
    assert_gone(kubectl)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_ended_ends_kubectl(service: Served, kubectl: Path, number: signal.Signals) -> None:
    """However it is: of a SIGKILL it hears nothing."""
    job_id = f"ended-{number.name.lower()}"
    service.add(job_id=job_id)
    words = ("watch", job_id, "--kubeconfig", "x", "--service-account", "ops")
    with subprocess.Popen([COMMAND, *words], stdout=subprocess.PIPE, env=os.environ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == f"{job_id}\n".encode()
        service.when_asked(1, partial(command.send_signal, number)).join()
        assert command.wait(300) == (-number if number is signal.SIGKILL else 128 + number)
    wait_until_gone(kubectl)


@pytest.mark.parametrize("services", [[], [{}, {}]])
def test_what_is_not_one_service_is_said(nowhere: Opsjobs, kubectl: Path, services: list[object]) -> None:
    (kubectl / "services").write_text(json.dumps(services))
    assert nowhere("list", "--kubeconfig", "x", "--service-account", "ops").code == 2


def test_an_account_must_be_named_and_kubectl_be_there(nowhere: Opsjobs, tmp_path: Path) -> None:
    assert "--service-account" in nowhere("list", "--kubeconfig", "x").err
    nowhere.environment.setenv("PATH", str(tmp_path))
    ended = nowhere("list", "--kubeconfig", "x", "--service-account", "ops")
    assert (ended.code, "not on PATH" in ended.err) == (2, True)


def wait_until_gone(kubectl: Path) -> None:
    deadline = time.monotonic() + 300
    while any(Path(f"/proc/{pid}").exists() for pid in (kubectl / "pids").read_text().split()):
        assert time.monotonic() < deadline, "kubectl outlives its command"
        time.sleep(0.05)


def assert_gone(kubectl: Path) -> None:
    """No child is left behind."""
    for pid in (kubectl / "pids").read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
