"""The step on a node: the last hours of its host's journal and kernel log, sent on through the step's own log."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from workflow_templates.dumplog import relayed_log
from workflow_templates.host import HOST, PATH
from workflow_templates.tail import Tail

JOURNAL, KERNEL = "journal", "kernel"
KINDS = (JOURNAL, KERNEL)

_CHUNK_BYTES = 1 << 16
_COMPLAINT_BYTES = 500
#: How `timeout` ends where the time was up, or it had to kill.
_TIME_UP = (124, 137)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one log may come to."""

    since_hours: int
    bytes: int
    seconds: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--since-hours", type=int, required=True)
    parser.add_argument("--mebibytes", type=int, required=True)
    parser.add_argument("--seconds", type=int, required=True)
    given = parser.parse_args()
    # A third for each of the commands: all of them must fit into the time that this step has.
    bounds = Bounds(given.since_hours, given.mebibytes << 20, max(1, given.seconds // 3))
    for kind in KINDS:
        content, error = read(kind, bounds)
        for line in relayed_log.lines(kind, content, error):
            sys.stdout.buffer.write(line)
        sys.stdout.flush()
    return 0


def read(kind: str, bounds: Bounds, prefix: Sequence[str] = HOST) -> tuple[bytes, str]:
    """The end of one of the host's logs, and why it, or a part of it, could not be read."""
    journal = ("journalctl", "--no-pager", "--quiet", "--utc", "--output=short-iso-precise")
    since = f"--since=-{bounds.since_hours}h"
    if kind == JOURNAL:
        return _run((*journal, since), bounds, prefix)
    # Not -k, which knows only what came after the last boot.
    content, error = _run((*journal, since, "_TRANSPORT=kernel"), bounds, prefix)
    if content:
        return content, error
    # A host whose journal does not take the kernel's messages has them in the kernel's own buffer.
    of_buffer = _run(("dmesg",), bounds, prefix)
    return of_buffer if of_buffer[0] or not error else (b"", error)


def _run(command: Sequence[str], bounds: Bounds, prefix: Sequence[str]) -> tuple[bytes, str]:
    """What a command on the host writes, from the end; it runs as root there, so only the host's own can end it."""
    tail = Tail(bounds.bytes)
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [*prefix, "timeout", "-k", "5", str(bounds.seconds), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={"PATH": PATH, "LANG": "C.UTF-8"},
        )
        with process:
            assert process.stdout is not None  # noqa: S101 - tells the type checker what Popen was asked for
            while chunk := process.stdout.read(_CHUNK_BYTES):
                tail.feed(chunk)
        complaints.seek(0)
        why = complaints.read(_COMPLAINT_BYTES).decode(errors="replace").strip()
    return tail.lines(), _error(command[0], process.returncode, why, tail, bounds)


def _error(program: str, code: int, why: str, tail: Tail, bounds: Bounds) -> str:
    if code in _TIME_UP:
        return f"{program} was ended after {bounds.seconds} s, so its end is missing"
    if code:
        return f"{program} ended with exit code {code}{f': {why}' if why else ''}"
    if tail.is_cut:
        kept = f"{bounds.bytes >> 20} MiB"
        return f"only its last {kept} are in it, which the chart's value dumplog.nodeLogs.mebibytes decides"
    return ""


if __name__ == "__main__":
    sys.exit(main())
