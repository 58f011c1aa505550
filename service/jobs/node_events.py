"""What `kubectl describe node` shows of jobs: Kubernetes Events, as far as they can be written.

The steps of a reboot write their own, which need no service. Events are for people who look at a node; nothing reads
them, and none is tried again.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from service.domain.job import Job, NodePhase, PlannedNode
from service.domain.job_types.registry import traits_of

log = structlog.get_logger()

#: Events that wait; a job of thousands of nodes has the last of them.
MOST_WAITING = 1_000
#: Seconds between two: etcd keeps each for an hour.
PAUSE = 0.05
#: Seconds between two looks at what waits.
LOOK = 1.0

_PHASES = {
    NodePhase.RUNNING: ("Begun", False),
    NodePhase.SUCCEEDED: ("Succeeded", False),
    NodePhase.FAILED: ("Failed", True),
}
#: A step that runs may find that no further node is to be begun.
_IN_VAIN = ("Skipped", False)


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """One event of one node. Of a job each reason is written once for each node."""

    node: str
    job_id: str
    reason: str
    message: str
    warning: bool


class EventWriter(Protocol):
    async def write_node_event(self, event: NodeEvent) -> None:
        """What is written already is success.

        Raises:
            UnavailableError: Kubernetes does not answer, or refuses it.
        """
        ...


class NodeEvents:
    """Written one after another by the leader; what becomes of them holds up nothing."""

    def __init__(self, writer: EventWriter) -> None:
        self._writer = writer
        self._waiting: deque[NodeEvent] = deque(maxlen=MOST_WAITING)
        #: (node, job) of which it was said already.
        self._left_cordoned: set[tuple[str, str]] = set()

    def put(self, before: Job, after: Job) -> None:
        """Have written what happened to nodes between two states of a job's record."""
        self._waiting.extend(_happened(before, after))

    def put_left_cordoned(self, node: str, job_id: str, sentence: str) -> None:
        """A job has ended and left the node cordoned; said once by each leader."""
        if (node, job_id) not in self._left_cordoned:
            self._left_cordoned.add((node, job_id))
            self._waiting.append(NodeEvent(node, job_id, "LeftCordoned", f"job {job_id}: {sentence}", warning=True))

    async def run(self) -> None:
        """Write what waits, for ever."""
        while True:
            while self._waiting:
                await self._write(self._waiting.popleft())
                await asyncio.sleep(PAUSE)
            await asyncio.sleep(LOOK)

    async def _write(self, event: NodeEvent) -> None:
        try:
            await self._writer.write_node_event(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others have their turn
            log.warning("an event of a node was not written", node=event.node, job_id=event.job_id, reason=str(error))


def _happened(before: Job, after: Job) -> Iterator[NodeEvent]:
    kind = traits_of(after.type)
    if not kind.works_on_nodes or kind.writes_node_events:
        return
    for old, new in zip(before.plan.nodes, after.plan.nodes, strict=True):
        if old.phase is NodePhase.RUNNING and new.phase is NodePhase.SKIPPED:
            yield _event(after, new, *_IN_VAIN)
        elif old.phase is not new.phase and new.phase in _PHASES:
            yield _event(after, new, *_PHASES[new.phase])


def _event(job: Job, node: PlannedNode, word: str, warning: bool) -> NodeEvent:  # noqa: FBT001 - as in the table above
    said = f": {node.message}" if node.message else ""
    message = f"job {job.job_id}: {job.type.value} {word.lower()}{said}"
    return NodeEvent(node.name, job.job_id, f"{job.type.value.capitalize()}{word}", message, warning)
