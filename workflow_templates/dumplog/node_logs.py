"""The logs of the workload's nodes: what a step on each has sent on (journal.py), and why one has not."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from workflow_templates.dumplog import relayed_log
from workflow_templates.dumplog.archive_request import RequestedNodes
from workflow_templates.dumplog.journal import KINDS
from workflow_templates.dumplog.read_retries import NoLogError, ReadFailures, RetryBudget
from workflow_templates.dumplog.spool import Spool, several_at_a_time
from workflow_templates.kubernetes_api import Cluster, ClusterError, Object, UnavailableError
from workflow_templates.protocol import labels

#: Of many nodes, as many as a sentence names.
_NAMED = 3


@dataclass(slots=True, kw_only=True)
class NodeLog:
    """One log of a node and what the index says of it. `error`: why it, or a part of it, could not be read."""

    node: str
    kind: str
    file: str = ""
    bytes: int = 0
    error: str = ""

    @property
    def name(self) -> str:
        """Its place in the archive."""
        return f"nodes/{self.node}/{self.kind}.log"

    def entry(self) -> Object:
        """Its line of the index."""
        return {
            "file": self.file,
            "node": self.node,
            "kind": self.kind,
            "bytes": self.bytes,
            "error": self.error,
        }


class _Step(NamedTuple):
    """The step on one node: its pod, where it has begun, and why there is nothing to read otherwise."""

    node: str
    pod: str
    why: str


@dataclass
class NodeLogs:
    cluster: Cluster
    folder: Path
    #: Compressed bytes that one log may have; both of a node take the space of one of a container.
    limit: int
    budget: RetryBudget
    found: list[NodeLog] = field(default_factory=list)

    def read_all(self, job: str, request: RequestedNodes) -> Iterator[Spool[NodeLog]]:
        """Each log that was sent on; the caller drops the spool. Afterwards `found` has all that were wanted."""
        self.found += [_unread(node, kind, why) for node, why in sorted(request.left_out.items()) for kind in KINDS]
        if not request.names:
            return
        try:
            pods = self._pods(job)
        except ClusterError as fault:
            self.found += [_unread(node, kind, str(fault)) for node in request.names for kind in KINDS]
            return
        steps = [_step(node, pods.get(node)) for node in request.names]
        for spools in several_at_a_time(self._read, steps, self.budget.stopping):
            for spool in spools:
                self.found.append(spool.log)
                yield spool

    def unread(self) -> list[str]:
        """What is missing, in sentences; one for all nodes that miss the same for the same reason."""
        whose: dict[str, list[str]] = {}
        for log in self.found:
            if log.error:
                whose.setdefault(log.error, []).append(log.node)
        return [f"{_named(list(dict.fromkeys(nodes)))}: {why}" for why, nodes in whose.items()]

    def _pods(self, job: str) -> Mapping[str, Object]:
        """The pods of the steps on nodes, by node."""
        found = self.cluster.list(
            f"/api/v1/namespaces/{self.cluster.namespace}/pods",
            labelSelector=labels.pods_of(job, labels.STEP_NODE_LOG),
        )
        return {pod["metadata"].get("annotations", {}).get(labels.NODE, ""): pod for pod in found}

    def _read(self, step: _Step) -> Iterator[list[Spool[NodeLog]]]:
        """All logs of a node at once: they come in one response."""
        spools = [Spool(NodeLog(node=step.node, kind=kind), self.folder / f"{step.node}.{kind}.gz") for kind in KINDS]
        left = {spool.log.kind: spool for spool in spools}
        failures, why = ReadFailures(self.budget, step.node), step.why or self.budget.down.get(step.node, "")
        while left and not why:
            try:
                self._take(step.pod, left)
            except (UnavailableError, NoLogError) as fault:
                why = failures.wait_or_give_up(fault)
            except relayed_log.FullError:
                why = f"compressed it is more than {self.limit >> 20} MiB, which dumplog.scratchMebibytes decides"
            except (ClusterError, ValueError) as fault:
                why = str(fault)
        for spool in left.values():
            spool.log.error = why
        yield spools

    def _take(self, pod: str, left: dict[str, Spool[NodeLog]]) -> None:
        """Take those that are left; those that are whole then are not left any more, however the rest goes on."""
        path = f"/api/v1/namespaces/{self.cluster.namespace}/pods/{pod}/log"
        with ExitStack() as stack:
            taken = {
                kind: relayed_log.RelayedLog(stack.enter_context(spool.file.open("wb")), self.limit)
                for kind, spool in left.items()
            }
            try:
                with self.cluster.stream(path, container="main") as pieces:
                    relayed_log.take(pieces, taken)
            finally:
                for kind, log in taken.items():
                    if log.is_whole:
                        spool = left.pop(kind)
                        spool.size = spool.log.bytes = log.size
                        spool.log.error = log.error
        if left:
            raise NoLogError(relayed_log.LOST)


def _step(node: str, pod: Object | None) -> _Step:
    if pod is None:
        return _Step(node, "", "its step did not start")
    status = pod.get("status") or {}
    name, phase, message = pod["metadata"]["name"], status.get("phase"), status.get("message") or ""
    if phase == "Succeeded":
        return _Step(node, name, "")
    if phase == "Failed":
        return _Step(node, name, f"its step failed{f': {message}' if message else ''}")
    return _Step(node, name, "its step did not end in time: the node is down, or its image could not be had there")


def _unread(node: str, kind: str, why: str) -> NodeLog:
    return NodeLog(node=node, kind=kind, error=why)


def _named(nodes: list[str]) -> str:
    """The first few of them, for a sentence."""
    first, beyond = ", ".join(nodes[:_NAMED]), len(nodes) - _NAMED
    return f"node{'s' * (len(nodes) > 1)} {first}{f' and {beyond} more' if beyond > 0 else ''}"
