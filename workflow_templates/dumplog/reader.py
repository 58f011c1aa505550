"""Reading the logs of containers: each whole, or as far as it can be had, and never taken for more than it is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx

from workflow_templates.dumplog.logs import Log
from workflow_templates.dumplog.read_retries import (
    BrokenOffError,
    NoLogError,
    ReadFailures,
    RetryBudget,
    SilentNodeError,
)
from workflow_templates.dumplog.resumable_log import OtherLogError, ResumableLog
from workflow_templates.dumplog.spool import Spool, several_at_a_time
from workflow_templates.dumplog.timestamped_lines import TimedLines, moment
from workflow_templates.kubernetes_api import Cluster, ClusterError, UnavailableError
from workflow_templates.protocol.api_path import api_path

#: The kubelet sends each line by itself; so many bytes of them are looked through at once.
_BLOCK_BYTES = 1 << 18
_SENTENCE_CHARACTERS = 500


@dataclass
class Reader:
    cluster: Cluster
    folder: Path
    #: Compressed bytes that one file may have; a longer log goes into several.
    limit: int
    budget: RetryBudget
    _numbers: Iterator[int] = field(default_factory=count)

    def read_all(self, logs: Iterable[Log]) -> Iterator[Spool[Log]]:
        """Each log as soon as it is read, in whatever order; the caller drops the spool when it is written."""
        return several_at_a_time(self.read, logs, self.budget.stopping)

    def read(self, log: Log) -> Iterator[Spool[Log]]:
        """The log with all that could be had of it, in one file or more; its `error` says what could not."""
        taken = ResumableLog(self.limit, lambda part: Spool(log, self.folder / f"{next(self._numbers)}.gz", part=part))
        failures = ReadFailures(self.budget, log.node)
        why = log.error or self.budget.down.get(log.node, "")
        while not why:
            before = taken.bytes
            try:
                yield from self._attempt(log, taken)
            except OtherLogError:
                why = "it was rotated, or its container restarted, while it was read"
            except (UnavailableError, BrokenOffError, NoLogError) as fault:
                if taken.bytes > before:
                    failures.reset()
                why = failures.wait_or_give_up(self._blamed(log, fault))
            except ClusterError as fault:
                why = str(fault)
            else:
                break
        log.bytes = taken.bytes
        log.error = f"cut after {log.bytes} bytes: {why}" if why and log.bytes else why or self._replaced(log)
        yield from taken.rest()

    def _attempt(self, log: Log, taken: ResumableLog) -> Iterator[Spool[Log]]:
        """Read it once, and see that it is whole."""
        wanted, lines = self._last_line(log), TimedLines()
        taken.begin()
        try:
            with self.cluster.stream(_path(log), **_which(log)) as pieces:
                for block in _blocks(pieces):
                    yield from taken.take(lines.feed(block))
                    if lines.first_time and not taken.is_passing:
                        # Of a container's two streams the kubelet may write a later line first.
                        times = {log.first_time, log.last_time, lines.first_time, lines.last_time} - {""}
                        log.first_time, log.last_time = min(times, key=moment), max(times, key=moment)
                    if self.budget.stopping.is_set():
                        return
        except UnavailableError as fault:
            if not lines.first_time:
                raise
            raise BrokenOffError(str(fault)) from fault
        lines.close()
        if lines.sentence:
            raise NoLogError(lines.sentence[:_SENTENCE_CHARACTERS])
        if taken.is_passing or not lines.reaches(wanted, has_ended=log.has_ended):
            raise BrokenOffError("the answer ended before the log did, as when a kubelet goes down meanwhile")

    def _last_line(self, log: Log) -> TimedLines:
        """What the log has to reach. It may have none, or a sentence of the kubelet's for one: reading it shows."""
        line = TimedLines()
        with self.cluster.stream(_path(log), **_which(log), tailLines="1") as pieces:
            for piece in pieces:
                line.feed(piece)
        return line

    def _blamed(self, log: Log, fault: ClusterError) -> ClusterError:
        """Where nothing came, and the apiserver does answer what it knows itself, it is the node that is silent."""
        if isinstance(fault.__cause__, httpx.ReadTimeout) and isinstance(fault, UnavailableError):
            try:
                self.cluster.get(_pod(log))
            except ClusterError as away:
                return away
            return SilentNodeError(str(fault))
        return fault

    def _replaced(self, log: Log) -> str:
        """Logs are asked for by the pod's name, so that what came may be of another that has it now."""
        try:
            pod = self.cluster.get(_pod(log)) if log.uid and not self.budget.stopping.is_set() else None
        except ClusterError:
            return ""
        if pod is None or pod["metadata"]["uid"] == log.uid:
            return ""
        return "the pod was replaced meanwhile: this is, at least in part, of the new one of its name"


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    block = bytearray()
    try:
        for piece in pieces:
            block += piece
            if len(block) >= _BLOCK_BYTES:
                yield bytes(block)
                block.clear()
    except httpx.TransportError:
        yield bytes(block)
        raise
    yield bytes(block)


def _pod(log: Log) -> str:
    return api_path("v1", "pods", namespace=log.namespace, name=log.pod)


def _path(log: Log) -> str:
    return f"{_pod(log)}/log"


def _which(log: Log) -> dict[str, str]:
    return {"container": log.container, "timestamps": "true"} | ({"previous": "true"} if log.previous else {})
