"""What happens to a job that a person may want to be told, each as one sentence for the night."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.domain.job import Condition, Job, NodePhase, Phase, PlannedNode
from service.domain.job_rollout import PhaseState
from service.domain.messages import on_node
from service.domain.phase import PAUSED
from service.domain.receiver import Kind

#: Of a job whose nodes fail one after another; its end says how many there were.
MOST_FAILED_NODES = 20
#: Characters of a sentence, and of a name in it.
MOST_CHARACTERS = 1_000
_MOST_OF_A_NAME = 100


@dataclass(frozen=True, slots=True)
class Happening:
    """`occasion`: what it is about; of one job the same occasion is told once."""

    kind: Kind
    occasion: str
    sentence: str
    nodes: tuple[str, ...] = ()


def happened(before: Job | None, after: Job) -> Iterator[Happening]:
    """Between two states of a job's record, in order; before None: it was just created."""
    if before is None:
        planned = len(after.plan.nodes)
        where = f" on {planned} {'node' if planned == 1 else 'nodes'}" if planned else ""
        yield Happening(Kind.CREATED, "created", _cut(f"{after.user_name} created it{where}"))
        return
    if before.phase is Phase.PENDING and after.phase is Phase.RUNNING:
        yield Happening(Kind.STARTED, "started", "it began")
    yield from _failed_nodes(before, after)
    yield from (_paused(after, one) for one in _added(before, after) if one.reason == PAUSED)
    yield from _gates(before, after)
    if after.phase.final and not before.phase.final:
        yield Happening(Kind.ENDED, "ended", _end(after))


def left_cordoned(node: str) -> Happening:
    """A job that has ended left a node cordoned, and nothing but a person uncordons it."""
    sentence = f"node {node} stays cordoned; look why, then: kubectl uncordon {node}"
    return Happening(Kind.LEFT_CORDONED, f"left-cordoned/{node}", sentence, (node,))


def waits(job: Job, now: datetime, longer_than: timedelta) -> Happening | None:
    """A job that waits for so long; None: it does not."""
    since = waiting_since(job)
    if since is None or now - since < longer_than:
        return None
    why = job.conditions[-1].message if job.conditions else ""
    minutes = int((now - since).total_seconds()) // 60
    length = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"  # noqa: PLR2004 - an hour
    return Happening(Kind.WAITS, f"waits/{since.isoformat()}", _cut(f"it has waited for {length}: {why}"))


def waiting_since(job: Job) -> datetime | None:
    """When a job's last node ended, or it was created, if it has ended none and no node is at work."""
    at_work = any(node.phase is NodePhase.RUNNING for node in job.plan.nodes)
    soaks = job.rollout is not None and any(phase.state is PhaseState.SOAKING for phase in job.rollout.phases)
    if job.phase.final or at_work or soaks or (job.phase is Phase.RUNNING and not job.plan.nodes):
        return None
    ends = [node.end for node in job.plan.nodes if node.end]
    return max([job.created, *ends])


def headline(job_name: str, job_type: str, phase: str, kind: Kind) -> str:
    """What a person sees first."""
    what = {
        Kind.CREATED: "created",
        Kind.STARTED: "started",
        Kind.GATE: "waits for a person",
        Kind.PAUSED: "paused",
        Kind.NODE_FAILED: "a node failed",
        Kind.ENDED: phase.lower(),
        Kind.LEFT_CORDONED: "left a node cordoned",
        Kind.WAITS: "waits",
    }[kind]
    return f"{job_type} “{job_name[:_MOST_OF_A_NAME]}”: {what}"


def _failed_nodes(before: Job, after: Job) -> Iterator[Happening]:
    """Those that failed at one look are one message."""
    had_failed = sum(node.phase is NodePhase.FAILED for node in before.plan.nodes)
    failed = [
        new
        for old, new in zip(before.plan.nodes, after.plan.nodes, strict=True)
        if new.phase is NodePhase.FAILED and old.phase is not NodePhase.FAILED
    ]
    if not failed or had_failed >= MOST_FAILED_NODES:
        return
    names = tuple(node.name for node in failed[:MOST_FAILED_NODES])
    yield Happening(Kind.NODE_FAILED, f"node-failed/{failed[0].name}", _cut(_failures(failed)), names)


def _failures(failed: Sequence[PlannedNode]) -> str:
    more = len(failed) - 1
    beyond = f"; and {more} more {'node' if more == 1 else 'nodes'}" if more else ""
    return f"{on_node(failed[0])}{beyond}"


def _added(before: Job, after: Job) -> list[Condition]:
    known = set(before.conditions)
    return [condition for condition in after.conditions if condition not in known]


def _paused(job: Job, condition: Condition) -> Happening:
    sentence = _cut(f"{condition.message}; go on with: opsjobs resume {job.job_id}")
    return Happening(Kind.PAUSED, f"paused/{condition.at.isoformat()}", sentence)


def _gates(before: Job, after: Job) -> Iterator[Happening]:
    if before.rollout is None or after.rollout is None:
        return
    phases = zip(before.rollout.phases, after.rollout.phases, strict=True)
    for number, (old, new) in enumerate(phases, start=1):
        if new.state is PhaseState.AWAITING_ADVANCE and old.state is not PhaseState.AWAITING_ADVANCE:
            of = f"phase {number} of {len(after.rollout.phases)}"
            sentence = f"{of} is through and waits for a person: opsjobs advance {after.job_id}"
            yield Happening(Kind.GATE, f"gate/{number}", sentence)


def _end(job: Job) -> str:
    last = job.conditions[-1] if job.conditions else None
    said = last.message if last else ""
    reason = f" ({last.reason})" if last and job.phase is Phase.FAILED and last.reason != "Failed" else ""
    return _cut(f"{job.phase.value.lower()}{reason}: {said}")


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
