"""Programs that run while something is measured."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

START_SECONDS = 90


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], log: Path, ready: Callable[[], object], env: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A program for the length of the block, from when `ready()` raises nothing; answers its process id.

    Raises:
        RuntimeError: it ended, or was not ready in time; with the end of its log.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in command], stdout=out, stderr=out, env={**os.environ, **(env or {})}
        )
    try:
        _wait(process, ready, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            ready()
        except Exception as error:
            if process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            end = log.read_text(errors="replace")[-1500:]
            raise RuntimeError(f"{process.args!r} does not start ({error}):\n{end}") from error
        return


def memory_megabytes(pid: int) -> float:
    """What the process holds of the machine's memory (its resident set)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_megabytes(pid: int) -> float:
    """The most that the process ever held of the machine's memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    kibibytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kibibytes) * 1024 / 1e6


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
