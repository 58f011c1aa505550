"""How far a rollout is, from its Workflow and from what its steps noted (contract: Rollouts)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from service.domain.job import NodePhase, PlannedNode
from service.domain.job_rollout import JobRollout, PhaseState, RolloutPhase
from service.domain.workflow import Step, Workflow
from workflow_templates.protocol import labels, may_begin
from workflow_templates.protocol.ledger import Ledger, State
from workflow_templates.protocol.may_begin import Control, Seen, held, too_many_failed

#: The templates of a rollout's steps.
_PHASE, _SOAK, _GATE = "phase", "soak", "gate"


@dataclass(frozen=True, slots=True)
class StepNotes:
    """What a job's steps noted at Leases."""

    #: Its ledger, as it stands there; empty: there is none yet.
    ledger: str = ""
    #: Node → what is going on there, as a sentence.
    stages: Mapping[str, str] = field(default_factory=dict)
    #: Nodes that are NotReady, or cordoned by another than this job; what else keeps a node from beginning is there.
    out_of_service: frozenset[str] = frozenset()
    #: Nodes that are locked by the job and do not merely wait there, cordoned, for their pods; None: it is not known.
    at_work: frozenset[str] | None = None


NO_NOTES = StepNotes()


def observed(rollout: JobRollout, workflow: Workflow) -> JobRollout:
    """The rollout with each phase where the Workflow shows it, and whether that knows what persons said."""
    steps: dict[tuple[str, str], Step] = {}
    for step in workflow.steps:
        if step.template in (_PHASE, _SOAK, _GATE) and not step.clean_up:
            steps[step.template, step.rollout_phase] = step
    phases = tuple(
        _phase(phase, *(steps.get((template, str(number))) for template in (_PHASE, _SOAK, _GATE)))
        for number, phase in enumerate(rollout.phases, 1)
    )
    rollout = replace(rollout, phases=phases)
    return rollout.seen_at(workflow.annotations, completed=workflow.completed)


def _phase(phase: RolloutPhase, whole: Step | None, soak: Step | None, gate: Step | None) -> RolloutPhase:
    if whole is None or phase.state is PhaseState.DONE:
        return phase
    soaking = soak.started if soak and soak.phase != "Skipped" else None
    if whole.ended:
        state, end = PhaseState.DONE, whole.finished
    elif _runs(gate):
        state, end = PhaseState.AWAITING_ADVANCE, None
    elif _runs(soak):
        state, end = PhaseState.SOAKING, None
    else:
        state, end = PhaseState.RUNNING, None
    return replace(phase, state=state, start=phase.start or whole.started, soaking=phase.soaking or soaking, end=end)


def _runs(step: Step | None) -> bool:
    return step is not None and not step.ended


def placed(
    rollout: JobRollout, before: Sequence[PlannedNode], nodes: Sequence[PlannedNode], notes: StepNotes, now: datetime
) -> tuple[PlannedNode, ...]:
    """The nodes as the ledger knows them: one that waits in its pod has not begun, although the pod runs.

    `before`: the same nodes, in the same order, as the record has them.
    """
    ledger = Ledger.of(rollout.over([node.name for node in nodes]), {labels.LEDGER: notes.ledger})
    not_begun = ledger.in_state(State.NOT_BEGUN)
    control = Control(rollout.paused, rollout.tolerated)
    ended = frozenset(node.name for node in nodes if node.phase.final)
    seen = Seen(notes.out_of_service, ended, frozenset(node.name for node in nodes if node.phase is NodePhase.FAILED))

    def why(name: str) -> str:
        reason = held(name, ledger, control, seen)
        return reason.sentence if reason else "waits for its turn"

    return tuple(
        _waiting(node, why) if node.name in not_begun else _begun(node, known, now)
        for node, known in zip(nodes, before, strict=True)
    )


def held_by_pause(
    paused: str, before: Sequence[PlannedNode], nodes: Sequence[PlannedNode], notes: StepNotes
) -> tuple[PlannedNode, ...]:
    """The nodes of a job without a ledger while it is paused: one that waits in its pod has not locked its node.

    `before`: as for `placed`. At the end of the job a pod that was ended while it waited has not begun either.
    """
    sentence = may_begin.paused_by(paused).sentence

    def waits(node: PlannedNode, known: PlannedNode) -> bool:
        if notes.at_work is None or node.name in notes.at_work:
            return False
        if node.phase is NodePhase.FAILED:
            return known.phase in (NodePhase.WAITING, NodePhase.SKIPPED)
        return node.phase is NodePhase.RUNNING

    return tuple(
        _waiting(node, lambda _: sentence) if waits(node, known) else node
        for node, known in zip(nodes, before, strict=True)
    )


def failed(rollout: JobRollout, names: Sequence[str], notes: StepNotes) -> frozenset[str]:
    """The planned nodes that failed by the ledger, which knows it before Argo does."""
    return Ledger.of(rollout.over(names), {labels.LEDGER: notes.ledger}).in_state(State.FAILED)


def _waiting(node: PlannedNode, why: Callable[[str], str]) -> PlannedNode:
    if node.phase is NodePhase.FAILED:
        return PlannedNode(node.name, NodePhase.SKIPPED, node.message or "not begun", None, None)
    if node.phase is not NodePhase.RUNNING:
        return node
    return PlannedNode(node.name, NodePhase.WAITING, why(node.name))


def _begun(node: PlannedNode, before: PlannedNode, now: datetime) -> PlannedNode:
    """Its pod was there before; when it was last seen waiting is the better start."""
    if node.start is None:
        return node
    if before.start is not None:
        return replace(node, start=before.start)
    return replace(node, start=now) if before.phase is NodePhase.WAITING and not node.phase.final else node


def with_stages(nodes: Sequence[PlannedNode], notes: StepNotes) -> tuple[PlannedNode, ...]:
    """The nodes at work with what is going on there, where a step said it."""
    return tuple(
        replace(node, message=notes.stages[node.name])
        if node.phase is NodePhase.RUNNING and notes.stages.get(node.name)
        else node
        for node in nodes
    )


def paused_by_failures(rollout: JobRollout, nodes: Sequence[PlannedNode]) -> str:
    """Why no further node begins until a person resumes the job; empty: failures do not hold it."""
    failed = count_failed(nodes)
    over = rollout.on_failure == "pause" and exceeds(rollout, failed)
    if not over or all(node.phase.final for node in nodes):
        return ""
    counted = failed - rollout.tolerated
    since = " since it was resumed" if rollout.tolerated else ""
    return f"{counted} {'node' if counted == 1 else 'nodes'} failed{since}, and {rollout.failure_limit} may"


def between_phases(rollout: JobRollout) -> str:
    """What the next phase waits for; empty: it is not that which it waits for."""
    number = rollout.current
    phase = rollout.phases[number - 1]
    after = f"phase {number} of {len(rollout.phases)} has ended"
    if phase.state is PhaseState.AWAITING_ADVANCE:
        return f"{after}: the next begins when a person advances the job"
    if phase.state is PhaseState.SOAKING:
        return f"{after}: the next waits until it has soaked for {phase.soak_seconds} s, or for a person's advance"
    return ""


def exceeds(rollout: JobRollout, failed: int) -> bool:
    """Whether more nodes failed than are tolerated."""
    return too_many_failed(rollout, failed, Control(tolerated=rollout.tolerated))


def count_failed(nodes: Sequence[PlannedNode]) -> int:
    return sum(node.phase is NodePhase.FAILED for node in nodes)
