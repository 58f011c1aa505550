"""How long a person waits for the command line: its help, a Tab, and a list beside its request (issue 20)."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.bench.figures import HEADER, Figures, keep, machine
from tests.cli.scripted import Scripted, content, job

PART = "cli"
_COMMAND = Path(sys.executable).parent / "opsjobs"
_RUNS = 20
#: Milliseconds, at the median.
_HELP_TARGET, _LIST_TARGET = 300.0, 500.0
_JOBS = 100
_TAB = {"_OPSJOBS_COMPLETE": "complete_bash"}
CASES: Mapping[str, tuple[list[str], dict[str, str], float]] = {
    "--help": (["--help"], {}, _HELP_TARGET),
    "--version": (["--version"], {}, _HELP_TARGET),
    "addon --help": (["addon", "--help"], {}, _HELP_TARGET),
    "Tab after a command's first letter": ([], {**_TAB, "COMP_WORDS": "opsjobs l", "COMP_CWORD": "1"}, _HELP_TARGET),
    "Tab for the name of a job, with its request": (
        [], {**_TAB, "COMP_WORDS": "opsjobs get made", "COMP_CWORD": "2"}, _LIST_TARGET,
    ),
    "list, with its request": (["list"], {}, _LIST_TARGET),
    "list -o json, with its request": (["list", "-o", "json"], {}, _LIST_TARGET),
}  # fmt: skip


def run() -> None:
    """Each case in turn, so that a busy moment of the machine is in all of them."""
    print(f"\ncommand line; {machine()}; targets are for the median")
    print(HEADER)
    server = Scripted()
    server.answers = {"/api/v1/opsjobs": [content({"totalCount": _JOBS, "items": _jobs()})]}
    took: dict[str, list[float]] = {case: [] for case in CASES}
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "OPSJOBS_URL": server.url, "OPSJOBS_TOKEN": "a", "PYTHONPYCACHEPREFIX": compiled}
        # As an installed command is: compiled by whoever ran it first.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(_RUNS + 1):
            for case, (words, further, _) in CASES.items():
                seconds = _once(words, environment | further)
                if number:
                    took[case].append(seconds * 1000)
    server.close()
    found = [Figures(case, times) for case, times in took.items()]
    for figures in found:
        target = CASES[figures.case][2]
        print(f"{figures.line()}  {target:.0f}: {'ok' if figures.at(50) <= target else 'MISSED'}")
    keep(PART, found)


def _once(words: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([_COMMAND, *words], env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _jobs() -> list[dict[str, object]]:
    return [job(f"made-{number:06}", "Succeeded") for number in range(_JOBS)]
