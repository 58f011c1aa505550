"""Reading logs, several at a time, each compressed into a file of its own on the way."""

import re
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Generic, TypeVar

from workflow_templates.cluster import Cluster, ClusterError, UnavailableError
from workflow_templates.dumplog.logs import Log

READERS = 8
#: Logs that are being read, or wait compressed to be written.
SPOOLS = 12
_TRIES = 3
_PAUSE_SECONDS = 1.0
_PIECE_BYTES = 1 << 20
#: Little more than no compression costs, and logs repeat themselves.
_LEVEL = 1
_GZIP = 31
#: As Kubernetes writes it before a line that is asked for with timestamps.
_TIME = re.compile(rb"^(\d{4}-\d\d-\d\dT\S+) ")


L = TypeVar("L")
T = TypeVar("T")
R = TypeVar("R")


class FullError(Exception):
    """The scratch space of one log is used up."""


@dataclass
class Spool(Generic[L]):
    """A compressed log on its way into the archive."""

    log: L
    file: Path

    @property
    def pieces(self) -> Iterator[bytes]:
        with self.file.open("rb") as content:
            while piece := content.read(_PIECE_BYTES):
                yield piece

    def drop(self) -> None:
        self.file.unlink(missing_ok=True)


@dataclass
class Reader:
    cluster: Cluster
    folder: Path
    #: Compressed bytes that one log may have.
    limit: int
    pause: float = _PAUSE_SECONDS
    _numbers: Iterator[int] = field(default_factory=count)
    _stopping: threading.Event = field(default_factory=threading.Event)
    #: Nodes whose kubelet did not answer, however often it was asked.
    _down: dict[str, str] = field(default_factory=dict)

    def read_all(self, logs: Iterable[Log]) -> Iterator[Spool[Log]]:
        """Each log as soon as it is read, in whatever order; the caller drops the spool when it is written."""
        return several_at_a_time(self.read, logs, self._stopping)

    def read(self, log: Log) -> Spool[Log]:
        """The log with all that could be had of it; what could not is told in its `error`."""
        spool = Spool(log, self.folder / f"{next(self._numbers)}.gz")
        for attempt in range(_TRIES):
            if log.error or log.node in self._down:
                break
            try:
                self._read(spool)
            except UnavailableError as fault:
                if attempt == _TRIES - 1:
                    log.error = self._unavailable(log, fault)
                else:
                    self._stopping.wait(self.pause * (attempt + 1))
            except ClusterError as fault:
                log.error = str(fault)
            except FullError as full:
                log.error = str(full)
            else:
                log.first_time, log.last_time = self._time(log, limitBytes="64"), self._time(log, tailLines="1")
                break
        if not log.error and log.node in self._down:
            log.error = self._down[log.node]
        return spool

    def _unavailable(self, log: Log, fault: UnavailableError) -> str:
        if log.bytes:
            return f"cut after {log.bytes} bytes: {fault}"
        self._down[log.node] = f"node {log.node} did not answer: {fault}"
        return self._down[log.node]

    def _read(self, spool: Spool[Log]) -> None:
        log, compressor, kept = spool.log, zlib.compressobj(_LEVEL, wbits=_GZIP), 0
        log.bytes = 0
        with spool.file.open("wb") as file:
            try:
                with self.cluster.stream(_path(log), **_which(log)) as pieces:
                    for piece in pieces:
                        kept += file.write(compressor.compress(piece))
                        log.bytes += len(piece)
                        if kept > self.limit:
                            raise FullError(
                                f"cut after {log.bytes} bytes: compressed it is more than the {self.limit >> 20} MiB "
                                "that one log may take, which the chart's value dumplog.scratchMebibytes decides"
                            )
                        if self._stopping.is_set():
                            return
            finally:
                file.write(compressor.flush())

    def _time(self, log: Log, **part: str) -> str:
        """When a line was written; empty where there is none or it cannot be had now."""
        try:
            with self.cluster.stream(_path(log), **_which(log), timestamps="true", **part) as pieces:
                found = _TIME.match(next(pieces, b""))
        except ClusterError:
            return ""
        return found[1].decode() if found else ""


def several_at_a_time(read: Callable[[T], R], items: Iterable[T], stopping: threading.Event) -> Iterator[R]:
    """What `read` makes of each item, as soon as it is there; no more of it at a time than there is space for.

    `stopping` is set when nobody takes any more.
    """
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
    waiting, running = iter(items), set[Future[R]]()
    try:
        while True:
            running |= {pool.submit(read, item) for item in islice(waiting, SPOOLS - len(running))}
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for done in finished:
                yield done.result()
    finally:
        stopping.set()
        pool.shutdown(wait=False, cancel_futures=True)


def limit_of(scratch_bytes: int) -> int:
    """What one log may take of the scratch space, so that all that are kept at a time fit in."""
    return scratch_bytes // (SPOOLS + 1)


def _path(log: Log) -> str:
    return f"/api/v1/namespaces/{log.namespace}/pods/{log.pod}/log"


def _which(log: Log) -> dict[str, str]:
    return {"container": log.container} | ({"previous": "true"} if log.previous else {})
