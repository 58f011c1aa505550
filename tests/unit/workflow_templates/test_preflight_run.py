"""The shell around a check, run by this machine's own: what a check is told, and what is handed on of it."""

import contextlib
import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

import workflow_templates.preflight
from tests.unit.workflow_templates.test_host import wait_until
from workflow_templates.preflight.check_pod import RUN
from workflow_templates.preflight.check_results import read


@dataclass
class Ran:
    code: int
    output: str
    reason: str


def as_the_kubelet_runs(command: str) -> str:
    """A container's command where no variable has the name in a `$(NAME)` (Kubernetes API: Container.command)."""
    return re.sub(r"\$(\$|\([^)]*\)|.?)", lambda found: found[0] if found[1] != "$" else "$", command, flags=re.DOTALL)


def test_the_kubelet_leaves_the_script_as_it_is() -> None:
    written = files(workflow_templates.preflight).joinpath("run.sh").read_text(encoding="utf-8")
    assert as_the_kubelet_runs(RUN) == written
    assert "$$ -eq 1" in written, "which is where it matters"


def start(folder: Path, script: str, node: str = "b", said: str = "", slowed: str = "") -> subprocess.Popen[str]:
    """The paths of the pod become a folder's; the shell is slow just before the line that `slowed` is."""
    (folder / "entrypoint").write_text(script)
    (folder / "nodes").write_text("a\nb\nc\n")
    (folder / "termination-log").write_text(said)
    text = as_the_kubelet_runs(RUN)
    if slowed:
        assert slowed in text
        text = text.replace(slowed, f"\nsleep 1{slowed}", 1)
    for path, place in (("/etc/opsjob/", ""), ("/opsjob/", ""), ("/dev/termination", "termination")):
        text = text.replace(path, f"{folder}/{place}")
    return subprocess.Popen(
        ["/bin/sh", "-c", text],
        env={**os.environ, "NODE_NAME": node},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(folder: Path, script: str, node: str = "b", said: str = "") -> Ran:
    ran = start(folder, script, node, said)
    output, errors = ran.communicate()
    assert errors == ""
    assert output.endswith("\nopsjob-end\n"), "by this the report knows that it has read all"
    output = output.removesuffix("\nopsjob-end\n")
    return Ran(ran.returncode, output, (folder / "termination-log").read_text().strip())


@pytest.mark.parametrize(("node", "rank"), [("a", 0), ("b", 1), ("c", 2)])
def test_a_check_knows_its_rank_and_the_number_of_nodes(tmp_path: Path, node: str, rank: int) -> None:
    ran = run(tmp_path, "echo $OPSJOB_RANK of $OPSJOB_NODES", node)
    assert ran.output == f"{rank} of 3\n"


def test_a_check_knows_the_names_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "peers").write_text("p1-a.peers\np1-b.peers\n")
    assert run(tmp_path, 'cat "$OPSJOB_PEERS"').output == "p1-a.peers\np1-b.peers\n"


@pytest.mark.parametrize(
    ("code", "ends", "reason"),
    [
        (0, 0, ""),
        (1, 1, "found unhealthy"),
        (2, 2, "could not be tested"),
        (7, 7, "could not be tested: the check ended with exit code 7"),
    ],
)
def test_exit_codes(tmp_path: Path, code: int, ends: int, reason: str) -> None:
    ran = run(tmp_path, f"exit {code}")
    assert (ran.code, ran.reason) == (ends, reason)


def test_a_checks_own_reason_is_kept(tmp_path: Path) -> None:
    assert run(tmp_path, "exit 1", said="the disk is full").reason == "the disk is full"


def test_a_command_that_is_not_there_is_no_fault_of_the_node(tmp_path: Path) -> None:
    ran = run(tmp_path, "no-such-tool-anywhere 2> /dev/null")
    assert (ran.code, ran.reason.endswith("(exit code 127)")) == (127, True)
    assert ran.reason.startswith("could not be tested: a command of the check is not there")


def test_the_result_file_is_handed_on_in_lines_that_are_not_many(tmp_path: Path) -> None:
    ran = run(tmp_path, r"""printf 'no end'; printf '{"checks": [\n  "a\\nb" \n]}' > "$OPSJOB_RESULT" """)
    assert ran.output == 'no end\nopsjob-result: {"checks": [   "a\\nb"  ]} \n'


def write_checks(folder: Path, count: int, indent: int | None, filling: int = 0) -> list[dict[str, object]]:
    found = [{"name": f"check {number}", "ok": True, "reason": "é" * filling} for number in range(count)]
    (folder / "found.json").write_text(json.dumps({"checks": found}, indent=indent, ensure_ascii=False))
    return list(found)


@pytest.mark.parametrize("indent", [None, 1, 8])
def test_a_result_of_many_lines_is_read_whole(tmp_path: Path, indent: int | None) -> None:
    written = write_checks(tmp_path, 200, indent, filling=40)
    ran = run(tmp_path, f'cp {tmp_path}/found.json "$OPSJOB_RESULT"; echo the last word')
    assert ran.output.count("\n") < 200, "of the log only so many lines are read"
    checks, fault, last = read(ran.output)
    assert (fault, last) == ("", "the last word")
    assert [check.name for check in checks] == [item["name"] for item in written]
    assert checks[0].reason == "é" * 40


@pytest.mark.parametrize("indent", [None, 1])
def test_a_result_that_is_too_large_is_said_to_be(tmp_path: Path, indent: int | None) -> None:
    write_checks(tmp_path, 2_000, indent, filling=50)
    ran = run(tmp_path, f'cp {tmp_path}/found.json "$OPSJOB_RESULT"')
    assert len(ran.output.encode()) < 110_000
    assert read(ran.output)[:2] == ((), "the result file could not be read: it is over 100 kB")


def end_group(begun: "subprocess.Popen[str]") -> None:
    """What a script began may have ended by itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(begun.pid, signal.SIGKILL)


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_was_found_until_a_stop_is_handed_on(tmp_path: Path, *, goes_on: bool) -> None:
    """The kubelet signals the first process alone, this shell; a check may then have a last word."""
    found = '{"checks": [{"name": "disk", "ok": true}]}'
    last = "trap 'echo cleaned up; exit 1' TERM" if goes_on else ""
    script = f"{last}\necho '{found}' > \"$OPSJOB_RESULT\"\necho > {tmp_path}/begun\nsleep 600 & wait $!\n"
    begun = start(tmp_path, script)
    wait_until((tmp_path / "begun").exists)
    begun.send_signal(signal.SIGTERM)
    try:
        # What the script had begun itself lives on here; in a container it is told too, and ends with it.
        begun.wait(60)
    finally:
        end_group(begun)
    output, _ = begun.communicate()
    assert begun.returncode == 143, "whatever it ended with: nobody knows whether the node is healthy"
    assert ("cleaned up" in output) is goes_on
    assert [check.name for check in read(output)[0]] == ["disk"]
    assert (tmp_path / "termination-log").read_text() == ""


@pytest.mark.slow
@pytest.mark.parametrize("slowed", ["\ncheck=$!", "\nwait $check"])
def test_a_stop_in_the_moment_in_which_the_check_begins_reaches_it(tmp_path: Path, slowed: str) -> None:
    begun = start(tmp_path, f"echo > {tmp_path}/begun\nsleep 600 & wait $!\n", slowed=slowed)
    wait_until((tmp_path / "begun").exists)
    begun.send_signal(signal.SIGTERM)
    try:
        begun.wait(60)
    finally:
        end_group(begun)
    begun.communicate()
    assert begun.returncode == 143


@pytest.mark.parametrize(
    ("line", "shell"),
    [
        ("#!/bin/bash", "bash"),
        ("#!/usr/bin/env bash", "bash"),
        ("#!/usr/bin/env -S bash -e", "bash"),
        ("#! /bin/bash -e", "bash"),
        ("#!/bin/sh", ""),
        ("", ""),
        ("# a comment * ?", ""),
        ("#!", ""),
    ],
)
def test_the_first_line_says_what_runs_the_check(tmp_path: Path, line: str, shell: str) -> None:
    ran = run(tmp_path, f'{line}\necho "${{BASH_VERSION:+bash}}"\n')
    assert ran.output == f"{shell}\n"


def test_a_program_that_the_image_lacks_is_said_and_the_shell_runs_the_check(tmp_path: Path) -> None:
    ran = run(tmp_path, "#!/opt/none/python3\necho ran by $0\n")
    assert ran.output.startswith(
        "opsjob: this image has no /opt/none/python3, which the first line of entryPoint names"
    )
    assert f"ran by {tmp_path}/entrypoint" in ran.output


def test_the_text_is_the_shells_and_nobody_elses(tmp_path: Path) -> None:
    assert run(tmp_path, "echo '{{workflow.name}}' \"$((1+1))\" '$HOME'").output == "{{workflow.name}} 2 $HOME\n"
