"""Running a script as root on the host of this pod, in the host's own namespaces, once."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workflow_templates.tail import Tail

_LAST_BYTES = 1000
_GRACE_SECONDS = 5.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class BegunBeforeError(Exception):
    """The script's file is there already: it was begun before, and nobody knows how far it came."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a script ended. `exit_code` None: it was ended by a signal, or by us because its time was up."""

    exit_code: int | None
    last_lines: str
    ending: str

    @property
    def succeeded(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True, slots=True)
class Host:
    """The host as a privileged pod with hostPID reaches it; tests put a folder and no prefix in its place."""

    job: str
    root: Path = Path("/proc/1/root")
    inside: Path = Path("/")
    prefix: Sequence[str] = ("nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-p", "--")
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def _folder(self) -> Path:
        return Path("run/opsjobs") / self.job

    def run(self, name: str, script: str, shell: str, timeout: int | None) -> Ran:
        """Run a script to its end, its output to our own stdout.

        The text goes to the host as the bytes of a file, never through a command line. A file that is there already
        means it was begun before: BegunBeforeError. Stopped from outside, the script is ended first.
        """
        self._place(name, script)
        process = subprocess.Popen(
            [*self.prefix, shell, str(self.inside / self._folder / name)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": _PATH, "HOME": "/root", "LANG": "C.UTF-8", "OPSJOB_ID": self.job, **self.env},
            start_new_session=True,
        )
        tail = Tail(_LAST_BYTES)
        try:
            in_time = _follow(process, tail, timeout)
        finally:
            _end(process, tail)
        if not in_time:
            return Ran(None, tail.text(), f"was ended after its {timeout} s were up")
        return _ran(process.returncode, tail.text())

    def clean(self) -> None:
        """Take this job's scripts off the host."""
        shutil.rmtree(self.root / self._folder, ignore_errors=True)

    def _place(self, name: str, script: str) -> None:
        folder = self.root / self._folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o700)
        except FileExistsError as fault:
            raise BegunBeforeError("was begun on this node before and did not end; it is not run twice") from fault
        with os.fdopen(file, "wb") as stream:
            stream.write(script.encode())


def _follow(process: subprocess.Popen[bytes], tail: Tail, timeout: int | None) -> bool:
    """Pass the output on until the script ends; False when its time was up first.

    The script's end counts, not the end of its output: what it left in the background may hold that open for ever.
    """
    assert process.stdout is not None  # noqa: S101 - tells the type checker what Popen was asked for
    os.set_blocking(process.stdout.fileno(), False)
    end = time.monotonic() + timeout if timeout else None
    while process.poll() is None:
        if end is not None and time.monotonic() > end:
            return False
        if not _pass_on(process, tail):
            time.sleep(0.05)
    return True


def _pass_on(process: subprocess.Popen[bytes], tail: Tail) -> bool:
    """Pass on what there is; False when there was nothing."""
    assert process.stdout is not None  # noqa: S101
    chunk = process.stdout.read(65536)
    if not chunk:
        return False
    tail.feed(chunk)
    sys.stdout.buffer.write(chunk)
    sys.stdout.flush()
    return True


def _end(process: subprocess.Popen[bytes], tail: Tail) -> None:
    """Leave nothing of a script that has not ended by itself, and no output of it unread."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        try:
            process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.wait()
        _signal(process, signal.SIGKILL)  # those of its group that outlived it
    while _pass_on(process, tail):
        pass


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _ran(code: int, last_lines: str) -> Ran:
    if code < 0:
        return Ran(None, last_lines, f"was killed by {_signal_name(-code)}")
    return Ran(code, last_lines, f"ended with exit code {code}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
