"""crane is given up when it makes no progress, and not before."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_templates.exportimage.crane import Crane, CraneError

#: Reads for as many seconds as it is told, without a word.
AT_WORK = """
import time
with open("/dev/zero", "rb", buffering=0) as zeros:
    for _ in range(10 * {seconds}):
        zeros.read(1000)
        time.sleep(0.1)
"""
STALLED = "import time; time.sleep(1000)"


def crane(folder: Path, script: str, stall_seconds: float = 1) -> Crane:
    program = folder / "crane"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o755)
    made = Crane(folder / "home", folder, str(program), answer_seconds=1, stall_seconds=stall_seconds)
    made.log_in("{}")
    return made


CALLS: list[Callable[[Crane], object]] = [
    lambda crane: crane.digest("a"),
    lambda crane: crane.tag("a", "b"),
    lambda crane: crane.copy("a", "b"),
]


@pytest.mark.parametrize("call", CALLS)
def test_one_that_stands_still_is_given_up(tmp_path: Path, call: Callable[[Crane], object]) -> None:
    begun = time.monotonic()
    with pytest.raises(CraneError, match="no bytes were received or sent for 1 s"):
        call(crane(tmp_path, STALLED))
    assert time.monotonic() - begun < 60


@pytest.mark.slow
def test_a_copy_that_moves_may_take_as_long_as_it_likes(tmp_path: Path) -> None:
    begun = time.monotonic()
    crane(tmp_path, AT_WORK.format(seconds=6), stall_seconds=4).copy("a", "b")
    assert time.monotonic() - begun > 5


def test_a_question_may_not(tmp_path: Path) -> None:
    with pytest.raises(CraneError, match="no bytes were received"):
        crane(tmp_path, AT_WORK.format(seconds=600)).digest("a")
