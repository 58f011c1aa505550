"""Logs on their way from where they are read, several at a time, into the archive, which takes one after another."""

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Generic, TypeVar

READERS = 8
#: Files that are being filled, or wait to be written.
SPOOLS = 12
_PIECE_BYTES = 1 << 20

L = TypeVar("L")
T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Spool(Generic[L]):
    """A compressed log, or one part of a log that is too long for one file."""

    log: L
    file: Path
    #: Bytes, uncompressed.
    size: int = 0
    #: From 1.
    part: int = 1

    @property
    def pieces(self) -> Iterator[bytes]:
        with self.file.open("rb") as content:
            while piece := content.read(_PIECE_BYTES):
                yield piece

    def drop(self) -> None:
        self.file.unlink(missing_ok=True)


def limit_of(scratch_bytes: int) -> int:
    """What one file may take of the scratch space, so that all that are kept at a time fit in."""
    return scratch_bytes // (SPOOLS + 1)


def several_at_a_time(read: Callable[[T], Iterator[R]], items: Iterable[T], stopping: threading.Event) -> Iterator[R]:
    """All that `read` makes of the items, each as soon as it is there; no more at a time than there is space for.

    The space of one is free when the next is asked for. `stopping` is set when the caller takes no more before the end.
    """
    space, finished = threading.Semaphore(SPOOLS), SimpleQueue[R | None]()

    def work(item: T) -> None:
        made = read(item)
        try:
            while True:
                space.acquire()
                result = None if stopping.is_set() else next(made, None)
                if result is None:
                    space.release()
                    return
                finished.put(result)
        except BaseException:
            # A full disk, say, is no fault of one log's; it is raised when the others have ended, which is soon.
            stopping.set()
            space.release()
            raise
        finally:
            finished.put(None)

    pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
    try:
        works = [pool.submit(work, item) for item in items]
        for _ in works:
            while (result := finished.get()) is not None:
                yield result
                space.release()
        for ended in works:
            ended.result()
    except BaseException:
        stopping.set()
        space.release(READERS)
        raise
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
