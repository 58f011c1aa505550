"""Stages of the way up: each says what it does, how long it took and, when it fails, where its log is."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from docker.errors import DockerException

HEARTBEAT_SECONDS = 60.0
QUIET_SECONDS = 1.0


class StageError(Exception):
    """A stage did not get where it was going; the message is for the person at the terminal."""


def spoken(seconds: float) -> str:
    """A duration as a person says it: `0.4 s`, `12 s`, `8 min 05 s`."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds a decimal says something
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Stage:
    """One stage while it runs: its log, and the tools it runs into it."""

    def __init__(self, title: str, log: Path) -> None:
        self.title = title
        self.log = log

    def run(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        given: str | bytes | None = None,
    ) -> str:
        """Run a tool, its words into the log, and return what it wrote to standard output.

        Raises StageError with the tool's last lines where it ends with anything but 0. `given` is its standard input.
        """
        words = [str(word) for word in command]
        with self.log.open("ab") as log:
            log.write(f"$ {' '.join(words)}\n".encode())
            log.flush()
            stdin = given.encode() if isinstance(given, str) else given
            try:
                done = subprocess.run(
                    words, input=stdin, stdout=subprocess.PIPE, stderr=log, check=False, env=env, cwd=cwd
                )
            except FileNotFoundError as missing:
                raise StageError(f"{self.title}: {words[0]} is not installed") from missing
            log.write(done.stdout)
        if done.returncode != 0:
            raise StageError(f"{self.title}: {words[0]} ended with {done.returncode}\n{self.last_lines()}")
        return done.stdout.decode(errors="replace")

    def note(self, line: str) -> None:
        with self.log.open("a") as log:
            log.write(line + "\n")

    def last_lines(self, count: int = 12) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-count:]
        return "\n".join(f"    {line}" for line in lines)


class Stages:
    """Runs stages one after another, and says so."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        logs.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def stage(self, title: str, expect: str = "") -> Iterator[Stage]:
        """Announce a stage, time it, and turn what goes wrong in it into a StageError that names its log.

        `expect` is how long it takes when nothing is cached; a stage over at once is one line.
        """
        log = self.logs / f"{'-'.join(title.lower().split())}.log"
        log.write_text("")
        begun = time.monotonic()
        over = threading.Event()
        teller = threading.Thread(target=self._tell, args=(title, expect, begun, over), daemon=True)
        teller.start()
        try:
            yield Stage(title, log)
        except StageError as failed:
            raise StageError(f"{failed}\n  failed after {spoken(time.monotonic() - begun)}; its log: {log}") from failed
        except DockerException as failed:
            raise StageError(f"{title}: Docker said: {failed}\n  its log: {log}") from failed
        finally:
            over.set()
            teller.join()
        self.say(f"  {title}: {spoken(time.monotonic() - begun)}")

    def say(self, line: str) -> None:
        print(line, flush=True)

    def _tell(self, title: str, expect: str, begun: float, over: threading.Event) -> None:
        if over.wait(QUIET_SECONDS):
            return
        self.say(f"  {title} …{f' (about {expect})' if expect else ''}")
        while not over.wait(HEARTBEAT_SECONDS):
            self.say(f"  {title} … {spoken(time.monotonic() - begun)} so far")


def fail(message: str) -> None:
    """End the program as people expect it: the reason on standard error, nothing else."""
    print(f"\n{message}", file=sys.stderr, flush=True)
    raise SystemExit(1)
