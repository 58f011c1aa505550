"""A command in a real terminal: what it shows there, and keys that are pressed."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

COMMAND = Path(sys.executable).parent / "opsjobs"
PATIENCE = 300
_COLUMNS, _LINES = 200, 40
#: What moves the cursor, colours and clears: the terminal's part of what it is sent.
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """The command, from its start to its end. Everything that it wrote is in `screen`."""

    def __init__(self, *words: str, **environment: str) -> None:
        # Tests that a shell has put into the background ignore Ctrl-C, and the command would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._master, slave = pty.openpty()
        size = {"COLUMNS": str(_COLUMNS), "LINES": str(_LINES)}
        here = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "CI")}
        # Who leads a session and opens a terminal has it as its own: Ctrl-C is for the command alone.
        opening = 'exec "$0" "$@" <"$TERMINAL" >"$TERMINAL" 2>&1'
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", opening, COMMAND, *words],
            stdin=subprocess.DEVNULL,
            env={**here, "TERM": "xterm-256color", "TERMINAL": os.ttyname(slave), **size, **environment},
            start_new_session=True,
        )
        # Held until the command holds it: without anybody it would be at its end.
        self._slave: int | None = slave
        self.raw = ""

    @property
    def screen(self) -> str:
        return ESCAPE.sub("", self.raw).replace("\r\n", "\n")

    def until(self, pattern: str) -> str:
        """Wait until the screen shows it; returns the screen."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, self.screen):
            assert time.monotonic() < deadline, f"no {pattern!r} on the screen:\n{self.screen}"
            assert self._read() or re.search(pattern, self.screen), f"ended without {pattern!r}:\n{self.screen}"
        return self.screen

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def ended(self) -> int:
        """Wait for its end; returns its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self._read():
            assert time.monotonic() < deadline, f"it does not end:\n{self.screen}"
        os.close(self._master)
        return self.process.wait(PATIENCE)

    def _let_go(self) -> None:
        if self._slave is not None:
            os.close(self._slave)
            self._slave = None

    def _read(self) -> bool:
        """Some more of what it writes; False: it has ended."""
        ready, _, _ = select.select([self._master], [], [], 1)
        if not ready:
            if self.process.poll() is not None:
                self._let_go()
            return True
        try:
            piece = os.read(self._master, 1 << 16)
        except OSError:  # what Linux says of a terminal that nobody has open any more
            return False
        self._let_go()
        self.raw += piece.decode(errors="replace")
        return bool(piece)
