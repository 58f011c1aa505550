"""Where each planned node stands, from the steps that worked on it."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from service.domain import messages, shared_checks
from service.domain.job import NodePhase, Plan, PlannedNode
from service.domain.step_outcome import Outcome
from service.domain.workflow import Step, Workflow
from workflow_templates.protocol import exit_codes, pod_start

#: Argo numbers attempts at the end of their name: `step(2)`; an item of a loop is `step(2:item)`.
_ATTEMPT = re.compile(r"\(\d+\)$")
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def observed(plan: Plan, workflow: Workflow) -> tuple[PlannedNode, ...]:
    """The planned nodes as a Workflow shows them; once it completed, each of them is in a final phase."""
    steps = steps_by_node(plan, workflow)
    nodes = tuple(_observed(node, steps.get(node.name, ())) for node in plan.nodes)
    return closed(nodes) if workflow.completed else nodes


def closed(nodes: Iterable[PlannedNode]) -> tuple[PlannedNode, ...]:
    """The nodes after the end of their job: what worked was cut off, what had not begun never will."""
    return tuple(_closed(node) for node in nodes)


def steps_by_node(plan: Plan, workflow: Workflow) -> Mapping[str, Sequence[Step]]:
    """The steps of each planned node: those whose input parameter or loop item is its name; its part of shared ones."""
    names = set(plan.names)
    found: dict[str, list[Step]] = defaultdict(list)
    for step in (*workflow.steps, *shared_checks.parts(plan, workflow)):
        if step.node in names and not step.clean_up:
            found[step.node].append(step)
    return found


def concluded(
    plan: Plan, workflow: Workflow, nodes: Iterable[PlannedNode], failed: Collection[str]
) -> tuple[PlannedNode, ...]:
    """The nodes, of which these have failed for good by what their own steps noted.

    Argo does not conclude from a failed attempt to the whole while as many pods run as may: one of them waits, perhaps,
    until a person has looked at this very failure.
    """
    steps = steps_by_node(plan, workflow)
    return tuple(
        _failed_already(node, steps.get(node.name, ()))
        if node.name in failed and node.phase is NodePhase.RUNNING
        else node
        for node in nodes
    )


def _failed_already(node: PlannedNode, steps: Sequence[Step]) -> PlannedNode:
    attempts = sorted((step for step in steps if step.is_pod and step.failed), key=_age)
    if not attempts:
        return node
    message = _named(Outcome.of(*steps), messages.cause(attempts[-1]))
    return replace(node, phase=NodePhase.FAILED, message=message, end=attempts[-1].finished)


def last_pod(steps: Sequence[Step]) -> Step | None:
    """The pod that was made last, attempts included."""
    pods = [step for step in steps if step.is_pod]
    return max(pods, key=_age, default=None)


def last_attempts(steps: Iterable[Step]) -> list[Step]:
    """The pods without those that another attempt at the same step came after, the oldest first."""
    last = {_ATTEMPT.sub("", step.name): step for step in sorted(steps, key=_age) if step.is_pod}
    return sorted(last.values(), key=_age)


def attempts_like(last: Step, steps: Iterable[Step]) -> list[Step]:
    """The attempts at the same step as `last`, the oldest first."""
    step = _ATTEMPT.sub("", last.name)
    return sorted((one for one in steps if one.is_pod and _ATTEMPT.sub("", one.name) == step), key=_age)


def _observed(node: PlannedNode, steps: Sequence[Step]) -> PlannedNode:
    if not steps:
        # Planned as one that waits for another job, or nothing is known of it.
        return node if node.phase is NodePhase.WAITING else PlannedNode(node.name)
    # Names nest: what holds the others has the shortest.
    whole = min(steps, key=lambda step: len(step.name))
    worked = sorted((step for step in steps if _has_begun(step, node)), key=_age)
    start = worked[0].started if worked else None
    last = last_pod(steps)
    # While a Workflow is suspended Argo does not conclude from attempts to their whole.
    succeeded = whole.type == "Retry" and last is not None and last.phase == "Succeeded"
    if whole.ended or succeeded:
        phase, message = (NodePhase.SUCCEEDED, _own_word(steps)) if succeeded else _ending(whole, steps, worked)
        if why := _never_started(node, phase, last):
            return PlannedNode(node.name, NodePhase.FAILED, why, None, whole.finished)
        if phase is NodePhase.SKIPPED:
            # What held it up before the job was cut short is the better reason.
            known = "" if message or node.phase.final else node.message
            return PlannedNode(node.name, phase, messages.not_begun(message or known))
        return PlannedNode(node.name, phase, message, start, (worked[-1] if worked else whole).finished)
    if worked and not (last and last.exit_code == exit_codes.WAITING):
        return PlannedNode(node.name, NodePhase.RUNNING, _stage(last) if last and whole.type == "Steps" else "", start)
    phase, message = _queue(node, whole, steps)
    return PlannedNode(node.name, phase, message, start)


def _has_begun(step: Step, node: PlannedNode) -> bool:
    """Where Argo does not know, the record does: a pod that was last seen unable to start did not."""
    return step.begun or (step.perhaps_begun and not _held_up(node))


def _never_started(node: PlannedNode, phase: NodePhase, last: Step | None) -> str:
    """Why its pod was given up; Argo knows only of a deadline, and not always that."""
    if phase is NodePhase.SUCCEEDED:
        return ""
    if pod_start.is_given_up(node.message):
        return node.message
    by_deadline = phase is NodePhase.FAILED and last is not None and messages.timed_out(last.message)
    return pod_start.given_up(node.message) if by_deadline and _held_up(node) else ""


def _held_up(node: PlannedNode) -> bool:
    return node.phase is NodePhase.PENDING and bool(node.message)


def _own_word(steps: Sequence[Step]) -> str:
    return Outcome.of(*steps).message


def _stage(step: Step) -> str:
    """Of several steps in a row, the one that is at work, and what holds it up, if anything does."""
    return ": ".join(filter(None, (f"at {step.template}", messages.holding_up(step))))


def _queue(node: PlannedNode, whole: Step, steps: Sequence[Step]) -> tuple[NodePhase, str]:
    """Nothing was begun: the node is busy or locked, its pod cannot start, or it is not its turn yet."""
    pods = sorted((step for step in steps if step.is_pod), key=_age)
    if not pods:
        return NodePhase.PENDING, messages.holding_up(whole)
    waited = [step for step in pods if step.exit_code == exit_codes.WAITING]
    if not waited:
        return NodePhase.PENDING, messages.holding_up(pods[-1])
    still = "" if pods[-1] is waited[-1] else messages.holding_up(pods[-1])
    known = node.message if node.phase is NodePhase.WAITING else ""
    return NodePhase.WAITING, still or messages.turned_away(attempts_like(waited[-1], waited), known)


def _ending(whole: Step, steps: Sequence[Step], worked: Sequence[Step]) -> tuple[NodePhase, str]:
    if whole.phase == "Succeeded":
        return NodePhase.SUCCEEDED, _own_word(steps)
    if not whole.failed:  # Skipped, Omitted
        return NodePhase.SKIPPED, ""
    last = last_pod(steps)
    if last and last.exit_code in (exit_codes.NOT_BEGUN, exit_codes.WAITING) and not worked:
        # The last attempt may have been cut off by the job's end: then one before it says what was in the way.
        ended = [step for step in steps if step.is_pod and step.exit_code is not None and not _cut_off(step)]
        return NodePhase.SKIPPED, messages.cause(last_pod(ended) or last) if ended else ""
    failed = [step for step in worked if step.failed]
    if failed:
        return NodePhase.FAILED, _named(Outcome.of(*steps), messages.cause(failed[-1]))
    if worked or not _cut_off(last or whole):
        return NodePhase.FAILED, messages.cause(last or whole)
    return NodePhase.SKIPPED, ""


def _cut_off(step: Step) -> bool:
    """Whether it was the end of the whole job that ended this step, and no fault of its own."""
    return (
        messages.timed_out(step.message)
        or messages.stopped(step.message)
        or not step.message
        or messages.pod_deleted(step.message)
    )


def _named(outcome: Outcome, cause: str) -> str:
    """The cause with the addon template in which it lies, unless it names it already."""
    culprit = outcome.culprit
    return f"{culprit}: {cause}" if culprit and culprit not in cause else cause


def _closed(node: PlannedNode) -> PlannedNode:
    match node.phase:
        case NodePhase.RUNNING:
            return replace(node, phase=NodePhase.FAILED, message="was still at work when the job ended")
        case NodePhase.PENDING | NodePhase.WAITING:
            return replace(node, phase=NodePhase.SKIPPED, message=messages.not_begun(node.message))
        case _:
            return node


def _age(step: Step) -> tuple[datetime, int, str]:
    """Attempts made in the same second are told apart by their number, which is at the end of their name."""
    return step.started or _LONG_AGO, len(step.name), step.name
