"""The shell around a check, run by this machine's own: what a check is told, and what is handed on of it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from workflow_templates.preflight.template import build

RUN = Path(__file__).parents[3] / "workflow_templates/preflight/run.sh"


@dataclass
class Ran:
    code: int
    output: str
    reason: str


def run(folder: Path, script: str, node: str = "b", said: str = "") -> Ran:
    """The paths of the pod become a folder's."""
    (folder / "entrypoint").write_text(script)
    (folder / "nodes").write_text("a\nb\nc\n")
    (folder / "termination-log").write_text(said)
    text = RUN.read_text()
    for path, place in (("/etc/opsjob/", ""), ("/opsjob/", ""), ("/dev/", "")):
        text = text.replace(path, f"{folder}/{place}")
    ran = subprocess.run(
        ["/bin/sh", "-c", text],
        env={**os.environ, "NODE_NAME": node},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ran.stderr == ""
    return Ran(ran.returncode, ran.stdout, (folder / "termination-log").read_text().strip())


def test_the_template_runs_this_very_text() -> None:
    check = next(entry for entry in build().to_dict()["spec"]["templates"] if entry["name"] == "check")
    assert check["container"]["command"] == ["/bin/sh", "-c", RUN.read_text()]


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
        (7, 7, ""),
        (75, 1, "the check ended with exit code 75"),
        (76, 1, "the check ended with exit code 76"),
    ],
)
def test_exit_codes(tmp_path: Path, code: int, ends: int, reason: str) -> None:
    ran = run(tmp_path, f"exit {code}")
    assert (ran.code, ran.reason) == (ends, reason)


def test_a_checks_own_reason_is_kept(tmp_path: Path) -> None:
    assert run(tmp_path, "exit 1", said="the disk is full").reason == "the disk is full"


def test_the_result_file_is_handed_on_as_it_is(tmp_path: Path) -> None:
    ran = run(tmp_path, r"""printf 'no end'; printf '{"checks": [\n  "a\\nb" \n]}' > "$OPSJOB_RESULT" """)
    assert ran.output == 'no end\nopsjob-result: {"checks": [\nopsjob-result:   "a\\nb" \nopsjob-result: ]}\n'


def test_an_endless_result_file_ends(tmp_path: Path) -> None:
    ran = run(tmp_path, 'i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); done > "$OPSJOB_RESULT"')
    assert ran.output.count("opsjob-result: ") == 400


def test_the_text_is_the_shells_and_nobody_elses(tmp_path: Path) -> None:
    assert run(tmp_path, "echo '{{workflow.name}}' \"$((1+1))\" '$HOME'").output == "{{workflow.name}} 2 $HOME\n"
