"""Which test has which nodes of the one cluster, over all processes of a test run.

A node belongs to the process that holds the lock on its file; a process that dies holds none.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

#: Seconds between two looks at nodes that other tests hold.
_PAUSE = 0.1


class NoNodeError(Exception):
    """There were never so many nodes free, or there are not so many at all."""


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a file's lock for the length of the block; waits for it."""
    with _opened(file) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def taken(names: Sequence[str], count: int, folder: Path, *, seconds: float) -> Iterator[list[str]]:
    """Take `count` of these nodes, the first that are free; they are free again after the block.

    Who comes first is served first, so that a test of many nodes is not kept waiting by those of one; and whoever
    waits holds nothing that anybody else waits for but their place in the queue, so that nobody waits for ever.
    Take all that you need at once.
    """
    if count > len(names):
        raise NoNodeError(f"{count} nodes are wanted and there are {len(names)}: {', '.join(names)}")
    until = time.monotonic() + seconds
    with ExitStack() as held:
        mine: list[str] = []
        with locked(folder / "queue"):
            while True:
                for name in names:
                    if len(mine) < count and name not in mine and _try(held, folder / name):
                        mine.append(name)
                if len(mine) == count:
                    break
                if time.monotonic() > until:
                    raise NoNodeError(f"{count} of {', '.join(names)} were not free within {seconds:g} s")
                time.sleep(_PAUSE)
        yield sorted(mine)


def _try(held: ExitStack, file: Path) -> bool:
    with ExitStack() as opened:
        descriptor = opened.enter_context(_opened(file))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        held.push(opened.pop_all())
        return True


@contextmanager
def _opened(file: Path) -> Iterator[int]:
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
