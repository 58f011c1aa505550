"""Whether a node of a job may begin now, by its ledger, by what is out of service, and by what persons said."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Self

from workflow_templates.protocol import labels
from workflow_templates.protocol.ledger import Ledger, State
from workflow_templates.protocol.rollout import Limits, Rollout

#: Longer lists of nodes do not help in one sentence.
_NAMED = 10


class Hold(Enum):
    """Why a node does not begin: the code that goes with the sentence."""

    PAUSED = "paused"
    #: The whole cluster is, for every job.
    FROZEN = "frozen"
    #: Too many nodes failed, and the job waits for a person.
    PAUSED_BY_FAILURES = "pausedByFailures"
    #: Too many nodes failed: the node never begins.
    TOO_MANY_FAILED = "tooManyFailed"
    EARLIER_PHASE = "earlierPhase"
    #: As many nodes are at work as may be.
    NO_PLACE = "noPlace"
    #: With it too many would be out of service.
    OUT_OF_SERVICE = "outOfService"
    #: Its group has as many at work or out of service as may be.
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Held:
    """A node does not begin now; the sentence is for a person."""

    why: Hold
    sentence: str


@dataclass(frozen=True, slots=True)
class Control:
    """What persons have said of a running job, in annotations of its Workflow."""

    #: Who paused it, and why; empty: it is not paused.
    paused: str = ""
    #: How many failed nodes a person tolerated.
    tolerated: int = 0

    @classmethod
    def of(cls, annotations: Mapping[str, str]) -> Self:
        return cls(annotations.get(labels.PAUSED, ""), int(annotations.get(labels.TOLERATED) or 0))


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the planned nodes beside the ledger."""

    #: NotReady, or cordoned by another than this job.
    out_of_service: frozenset[str] = frozenset()
    #: Their work has ended, whether or not their pods could note it in the ledger.
    ended: frozenset[str] = frozenset()
    #: Those of them whose work failed.
    failed: frozenset[str] = frozenset()


def too_many_failed(limits: Limits, failed: int, control: Control) -> bool:
    """Whether more nodes failed than are tolerated, not counting those that a person tolerated."""
    return failed - control.tolerated > limits.failure_limit


def held_by_failures(ledger: Ledger, control: Control, seen: Seen) -> Held | None:
    """Why no further node of the job begins, if too many failed."""
    rollout = ledger.rollout
    failed = len(seen.failed | ledger.in_state(State.FAILED))
    if not too_many_failed(rollout, failed, control):
        return None
    counted = failed - control.tolerated
    nodes = f"{counted} node{'' if counted == 1 else 's'} failed"
    sentence = f"{nodes}{' since it was resumed' if control.tolerated else ''}, and {rollout.failure_limit} may"
    if rollout.on_failure == "pause":
        return Held(Hold.PAUSED_BY_FAILURES, f"the job is paused: {sentence}")
    return Held(Hold.TOO_MANY_FAILED, sentence)


def verdict(ledger: Ledger, control: Control) -> str:
    """Why a job whose nodes have all ended did not succeed; empty: it did (contract: Rollouts, failureLimit).

    A node that is still at work by the ledger had a pod that was lost before it could note its end.
    """
    rollout = ledger.rollout
    failed = ledger.in_state(State.FAILED, State.WORKING)
    if too_many_failed(rollout, len(failed), control):
        may = rollout.failure_limit + control.tolerated
        return f"{len(failed)} of {len(rollout.nodes)} nodes failed and {may} may: {_some(failed, _NAMED)}"
    unbegun = ledger.in_state(State.NOT_BEGUN, State.SKIPPED)
    if not unbegun:
        return ""
    return f"{len(unbegun)} of {len(rollout.nodes)} nodes were not begun: {_some(unbegun, _NAMED)}"


def held(node: str, ledger: Ledger, control: Control, seen: Seen) -> Held | None:
    """Why a node may not begin now; None: it may. One that was begun goes on, also where its pod is another."""
    if ledger.state(node) is State.WORKING:
        return None
    return next(_reasons(node, ledger, control, seen), None)


def _reasons(node: str, ledger: Ledger, control: Control, seen: Seen) -> Iterator[Held]:
    rollout = ledger.rollout
    if too_many := held_by_failures(ledger, control, seen):
        yield too_many
    if control.paused:
        yield paused_by(control.paused)
    at_work = ledger.in_state(State.WORKING) - seen.ended
    phase = rollout.phase_of[node]
    if earlier := sorted(other for other in at_work if rollout.phase_of[other] < phase):
        yield Held(Hold.EARLIER_PHASE, f"node {earlier[0]} of phase {rollout.phase_of[earlier[0]]} is at work")
    beginning = frozenset({node})
    if rollout.together:
        beginning, promised = _to_begin_together(node, ledger, seen, at_work)
        at_work |= promised
    yield from _without_room(node, rollout, at_work, beginning, seen.out_of_service)


def paused_by(said: str) -> Held:
    """`said`: who paused the job, and why."""
    return Held(Hold.PAUSED, f"the job is paused by {said}")


def _without_room(
    node: str, rollout: Rollout, at_work: frozenset[str], beginning: frozenset[str], out_of_service: frozenset[str]
) -> Iterator[Held]:
    with_it = f"with {'it' if len(beginning) == 1 else f'the {len(beginning)} of its group'}"
    busy = at_work | beginning
    if len(busy) > rollout.at_once:
        yield Held(Hold.NO_PLACE, f"{len(busy)} nodes would be at work {with_it}, and {rollout.at_once} may")
    gone = busy | out_of_service
    if rollout.max_unavailable is not None and len(gone) > rollout.max_unavailable:
        names = _some(out_of_service - busy)
        sentence = f"{len(gone)} nodes would be out of service {with_it}, and {rollout.max_unavailable} may: {names}"
        yield Held(Hold.OUT_OF_SERVICE, sentence)
    group = rollout.group_of(node)
    theirs = {other for other in gone if rollout.group_of(other) == group}
    if rollout.max_per_group is not None and len(theirs) > rollout.max_per_group:
        names = _some(frozenset(theirs - {node}))
        yield Held(Hold.GROUP, f"{len(theirs)} nodes of {group} would be out of service with it: {names}")


def _to_begin_together(
    node: str, ledger: Ledger, seen: Seen, at_work: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Of whole groups: what begins with this node, and what is promised to other groups of its phase.

    A group that has begun, and works, keeps the places of those of its nodes that are still to begin.
    """
    rollout = ledger.rollout
    waiting = (ledger.in_state(State.NOT_BEGUN) - seen.ended) & set(rollout.phases[rollout.phase_of[node] - 1].nodes)
    begun = {rollout.group_of(other) for other in at_work}
    with_it = {other for other in waiting if rollout.group_of(other) == rollout.group_of(node)}
    promised = {other for other in waiting if rollout.group_of(other) in begun}
    return frozenset({node, *with_it}), frozenset(promised)


def _some(nodes: frozenset[str], most: int = 3) -> str:
    more = len(nodes) - most
    return ", ".join(sorted(nodes)[:most]) + (f" and {more} more" if more > 0 else "")
