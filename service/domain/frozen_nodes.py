"""Where the nodes of a job stand while its cluster is frozen (contract: freeze)."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from service.domain import messages
from service.domain.job import Job, NodePhase, PlannedNode
from workflow_templates.protocol.freeze import Freeze


def waits(job: Job) -> bool:
    """Whether the job has nodes that have not begun."""
    return any(_not_begun(node) for node in job.plan.nodes)


def message(job: Job, node: PlannedNode) -> str:
    """A node's message as it is shown: what keeps it from beginning is the freeze, before all else."""
    return job.frozen if job.frozen and _not_begun(node) else node.message


def placed(
    job: Job, nodes: Sequence[PlannedNode], at_work: AbstractSet[str], freeze: Freeze | None, now: datetime
) -> tuple[PlannedNode, ...]:
    """The nodes as the Workflow shows them, but for those whose step only waits in its pod.

    Args:
        job: As it was; its nodes are the same, in the same order.
        nodes: As the Workflow shows them.
        at_work: The nodes that the job has locked, and does more there than wait: no step works on another.
        freeze: Of the cluster, now; None: it was lifted.
        now: When those that waited begin.
    """
    pairs = zip(nodes, job.plan.nodes, strict=True)
    if freeze is None:
        return tuple(_begun(node, known, now) for node, known in pairs)
    return tuple(
        _held(node, known, freeze.sentence, was_frozen=bool(job.frozen)) if node.name not in at_work else node
        for node, known in pairs
    )


def _held(node: PlannedNode, known: PlannedNode, sentence: str, *, was_frozen: bool) -> PlannedNode:
    if _was_ended_while_it_waited(node, known):
        return known
    if known.start is not None or known.phase.final:
        return node
    if node.phase is NodePhase.RUNNING:
        return PlannedNode(node.name, NodePhase.WAITING, sentence)
    if node.phase is NodePhase.FAILED and was_frozen:
        # Its pod was ended with the job, while it waited.
        return PlannedNode(node.name, NodePhase.SKIPPED, messages.not_begun(sentence))
    return node


def _begun(node: PlannedNode, known: PlannedNode, now: datetime) -> PlannedNode:
    """Its pod was there before; when the cluster was unfrozen is the better start."""
    if _was_ended_while_it_waited(node, known):
        return known
    waited = known.phase is NodePhase.WAITING and node.phase is NodePhase.RUNNING
    return replace(node, start=now) if waited else node


def _was_ended_while_it_waited(node: PlannedNode, known: PlannedNode) -> bool:
    """Argo calls its pod failed; that it had not begun was seen before."""
    return node.phase is NodePhase.FAILED and known.phase is NodePhase.SKIPPED


def _not_begun(node: PlannedNode) -> bool:
    return node.phase in (NodePhase.PENDING, NodePhase.WAITING)
