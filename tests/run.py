"""`make test`: the whole suite, beside the cluster's coming up and on it (docs/decisions/0030).

What needs no cluster runs while that comes up; then what shares the cluster, several tests at a time; then what nothing
may run beside, one after another. Whatever fails, the rest is run. `make test-long` does the same with the tests that
`make test` has no time for.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOG = ROOT / "build" / "logs" / "tests-without-the-cluster.log"
#: Where tests of the cluster are (tests/conftest.py refuses them elsewhere): to collect the others takes seconds.
ON_THE_CLUSTER = ("tests/attacks", "tests/e2e", "tests/faults", "tests/kube")
#: pytest's exit status where it found nothing to run: with -k that may be so in any part.
NOTHING = 5

PYTEST = (sys.executable, "-m", "pytest")
BESIDE_EACH_OTHER = ("--dist", "loadgroup", "--no-loadscope-reorder")


@dataclass(frozen=True)
class Part:
    """One pytest of the run, and how it ended."""

    name: str
    status: int
    seconds: float

    @property
    def failed(self) -> bool:
        return self.status not in (0, NOTHING)


@dataclass(frozen=True)
class Suite:
    """The choice of tests of each part."""

    without_the_cluster: tuple[str, ...]
    sharing_it: tuple[str, ...]
    alone_on_it: tuple[str, ...]


SHORT = Suite(
    ("-m", "not e2e and not long", "-n", "2"),
    ("-m", "e2e and not alone and not long", "-n", "5", *BESIDE_EACH_OTHER, *ON_THE_CLUSTER),
    ("-m", "e2e and alone and not long", *ON_THE_CLUSTER),
)
#: Two of these at a time reboot a node, on two cores.
LONG = Suite(
    ("-m", "not e2e and long"),
    ("-m", "e2e and not alone and long", "-n", "4", *BESIDE_EACH_OTHER, *ON_THE_CLUSTER),
    ("-m", "e2e and alone and long", *ON_THE_CLUSTER),
)


def main() -> int:
    suite, options = _chosen()
    began = time.monotonic()
    local_cluster("prepare")
    parts = [without_the_cluster(suite, options)]
    parts += [
        part("sharing the cluster", suite.sharing_it, options),
        part("alone on the cluster", suite.alone_on_it, options),
    ]
    say("all of it")
    for one in parts:
        print(f"{'FAILED' if one.failed else 'passed'}  {one.name}, after {one.seconds:.0f} s")
    print(f"The whole run took {time.monotonic() - began:.0f} s.", flush=True)
    return int(any(one.failed for one in parts))


def without_the_cluster(suite: Suite, options: Sequence[str]) -> Part:
    """Run what needs no cluster while that comes up, and to its end: beside it nothing on the cluster would have time.

    Its words come in one piece, not between those of the other.
    """
    started = time.monotonic()
    command = [*PYTEST, *suite.without_the_cluster, *options]
    with LOG.open("wb") as log:
        beside = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            local_cluster("up", "--nodes", "4", "--no-demo")
            status = beside.wait()
        finally:
            beside.kill()
    say("without the cluster")
    print(LOG.read_text(errors="replace"), flush=True)
    return Part("without the cluster", status, time.monotonic() - started)


def local_cluster(*command: str) -> None:
    """What `make up` does; where that fails there is nothing to test on."""
    done = subprocess.run([sys.executable, "-m", "local_cluster", *command], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def part(name: str, choice: Sequence[str], options: Sequence[str]) -> Part:
    say(name)
    started = time.monotonic()
    done = subprocess.run([*PYTEST, *choice, *options], cwd=ROOT, check=False)
    return Part(name, done.returncode, time.monotonic() - started)


def say(name: str) -> None:
    print(f"\n──── {name}", flush=True)


def _chosen() -> tuple[Suite, list[str]]:
    """The suite, and what every pytest of the run is given beside the choice of its own tests."""
    parser = argparse.ArgumentParser(prog="python -m tests.run", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the tests that make test has no time for, and only these")
    parser.add_argument("-k", default="", help="only tests whose names match")
    parser.add_argument("--durations", metavar="N", help="list the N slowest tests of each part")
    chosen = parser.parse_args()
    return LONG if chosen.long else SHORT, [
        *(["-k", chosen.k] if chosen.k else []),
        *(["--durations", chosen.durations] if chosen.durations else []),
    ]


if __name__ == "__main__":
    raise SystemExit(main())
