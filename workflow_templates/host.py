"""Running a script as root on the host of this pod, in the host's own namespaces, once.

The step itself has no rights there (docs/decisions/0009): what it does as root it does through the image's one setuid
helper, a copy of nsenter.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workflow_templates import step_output
from workflow_templates.tail import Tail

_LAST_BYTES = 1000
_GRACE_SECONDS = 5.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BEGUN_BEFORE = 17
#: A Workflow does not live longer, and Argo can make a pod again only while it does.
_REMEMBERED_DAYS = 30

#: The pod shares the host's process namespace already; the helper enters the others and becomes root in full.
HOST = ("/usr/local/bin/host-nsenter", "-t", "1", "-m", "-u", "-i", "-n", "-S", "0", "-G", "0", "--")

# The small shell lines are fixed; everything that varies is an argument or standard input.
# The mark comes before the script, and onto the disk: whatever happens from here on, the script was begun.
_PLACE = f"""umask 077
mkdir -p "$1" || exit
if test -e "$1/$3" || test -e "$2/$3"; then exit {_BEGUN_BEFORE}; fi
set -C
why=$({{ mkdir -p "$2" && : > "$2/$3"; }} 2>&1) || printf %s "$why"
sync "$2/$3" 2>/dev/null
cat > "$1/$3"
"""
_CLEAN = f"""for script in "$1"/*; do test ! -e "$script" || : > "$script"; done
for folder in "${{1%/*}}" "${{2%/*}}"; do
  test ! -d "$folder" || find "$folder" -mindepth 1 -maxdepth 1 -mtime +{_REMEMBERED_DAYS} -exec rm -rf {{}} +
done
"""
_SIGNAL = 'kill -s "$1" -- "-$2"'


class HostError(Exception):
    """The script could not be run on the host; the message says why."""


class BegunBeforeError(HostError):
    """The script's file is there already: it was begun before, and how far it came is not known."""


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
    """The host as a pod with hostPID reaches it; tests put folders of theirs and no prefix in its place.

    Scripts lie in `root`, in memory, for their text is not to be found after a power cut. That one was begun is marked
    in `marks` as well, which outlives a reboot.
    """

    job: str
    prefix: Sequence[str] = HOST
    root: Path = Path("/run/opsjobs")
    marks: Path = Path("/var/lib/opsjobs/begun")
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def _folder(self) -> str:
        return str(self.root / self.job)

    @property
    def _marks(self) -> str:
        return str(self.marks / self.job)

    def run(self, name: str, script: str, shell: str, timeout: int | None) -> Ran:
        """Run a script to its end, its output to our own stdout.

        The text goes to the host as the bytes of a file, never through a command line. A file or a mark that is there
        already means it was begun before: BegunBeforeError. Stopped from outside, the script is ended first.
        """
        self._place(name, script)
        process = subprocess.Popen(
            [*self.prefix, shell, f"{self._folder}/{name}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._environment,
            start_new_session=True,
            umask=0o022,  # Argo's executor sets 0, and every user could write what the script makes
        )
        tail = Tail(_LAST_BYTES)
        try:
            in_time = _follow(process, tail, timeout)
        finally:
            self._end(process, tail)
        if not in_time:
            return Ran(None, tail.text(), f"was ended after its {timeout} s were up")
        return _ran(process.returncode, tail.text())

    def clean(self) -> None:
        """Take the text of this job's scripts off the host.

        Their marks stay for a month: Argo makes a pod again that was deleted with force, and it must find that its
        scripts were begun.
        """
        self._shell(_CLEAN, self._folder, self._marks)

    def _place(self, name: str, script: str) -> None:
        placed = self._shell(_PLACE, self._folder, self._marks, name, text=script.encode())
        if placed.returncode == _BEGUN_BEFORE:
            raise BegunBeforeError("was begun on this node before and is not run twice")
        if placed.returncode != 0:
            why = placed.stderr.decode(errors="replace").strip()
            raise HostError(f"could not be put on the host: {why or f'exit code {placed.returncode}'}")
        if why := placed.stdout.decode(errors="replace").strip():
            step_output.log(f"that this was begun is not remembered beyond a reboot of the host: {why}")

    def _end(self, process: subprocess.Popen[bytes], tail: Tail) -> None:
        """Leave nothing of a script that has not ended by itself, and no output of it unread."""
        if process.poll() is None:
            self._signal(process, "TERM")
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._signal(process, "KILL")
                process.wait()
            self._signal(process, "KILL")  # those of its group that outlived it
        while _pass_on(process, tail):
            pass
        if process.stdout:
            process.stdout.close()

    def _signal(self, process: subprocess.Popen[bytes], name: str) -> None:
        self._shell(_SIGNAL, name, str(process.pid))

    def _shell(self, line: str, *arguments: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.prefix, "/bin/sh", "-c", line, "sh", *arguments],
            input=text,
            capture_output=True,
            env=self._environment,
            check=False,
        )

    @property
    def _environment(self) -> dict[str, str]:
        """Nothing of the pod's own."""
        return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "OPSJOB_ID": self.job, **self.env}


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


def _ran(code: int, last_lines: str) -> Ran:
    if code < 0:
        return Ran(None, last_lines, f"was killed by {_signal_name(-code)}")
    return Ran(code, last_lines, f"ended with exit code {code}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
