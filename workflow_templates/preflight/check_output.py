"""What a runner writes: the output of its checks, bounded, and how each of them ended."""

import json
import sys
from collections import deque
from dataclasses import asdict
from threading import Lock

from workflow_templates.protocol.check_outcome import OUTCOME, CheckOutcome

#: Bytes of a check's output that are written as they come: where it has a runner of its own, and where it shares one,
#: whose log a node keeps 10 MiB of. Of what follows, only the end is written.
ALONE_BYTES = 8_000_000
SHARED_BYTES = 32_000
#: A result file is at the end of the log (run.sh): 100 kB in lines of about 1,000 bytes; lines of the check before it.
TAIL_BYTES = 110_000

_writing = Lock()


class Output:
    """The output of one check on its way into the runner's log."""

    def __init__(self, prefix: str, limit: int) -> None:
        self._prefix = prefix.encode()
        self._room = limit
        self._end: deque[bytes] = deque()
        self._end_bytes = 0
        self._left_out = 0
        self._closed = False

    def line(self, line: bytes) -> None:
        """One line, without its end. After the end nothing is written."""
        if self._closed:
            return
        if line.startswith(OUTCOME.encode()):
            line = b" " + line
        self._room -= len(line) + 1
        if self._room >= 0:
            _write(self._prefix + line)
            return
        self._end.append(line)
        self._end_bytes += len(line) + 1
        while self._end_bytes > TAIL_BYTES:
            dropped = len(self._end.popleft()) + 1
            self._end_bytes -= dropped
            self._left_out += dropped

    def close(self, outcome: CheckOutcome) -> None:
        """What was kept back, and how the check ended; the first time counts."""
        if self._closed:
            return
        self._closed = True
        if self._left_out:
            _write(self._prefix + f"opsjob: {self._left_out} bytes of its output are left out here".encode())
        for line in self._end:
            _write(self._prefix + line)
        _write(self._prefix + f"{OUTCOME}{json.dumps(asdict(outcome), ensure_ascii=False)}".encode())


def _write(line: bytes) -> None:
    with _writing:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
