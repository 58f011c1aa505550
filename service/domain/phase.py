"""A job's phase and history, derived from its record and what its Workflow shows (design: rule 2).

Conditions (contract): Pending/Created; Pending/Waiting and Running/Waiting, brought up to date in place;
Running/Started; and the final one, Succeeded/Succeed or Failed with Failed, Timeout, Stopped, RatioNotMet or Error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from service.domain import frozen_nodes, messages, rollout_progress
from service.domain.job import Condition, Job, NodePhase, Phase, PlannedNode
from service.domain.job_types.registry import traits_of
from service.domain.planned_nodes import attempts_like, closed, concluded, last_pod, observed
from service.domain.rollout_progress import NO_NOTES, StepNotes
from service.domain.verdict import Verdict, judge, judge_unread, stopped
from service.domain.workflow import Workflow
from workflow_templates.protocol import exit_codes
from workflow_templates.protocol.freeze import Freeze

_WAITING = "Waiting"
PAUSED, RESUMED, ADVANCED = "Paused", "Resumed", "Advanced"
FROZEN, UNFROZEN = "Frozen", "Unfrozen"
#: Seconds after which a condition says that Argo's controller has not picked a Workflow up; it does so in one or two.
PICKED_UP_WITHIN = 30


def created(at: datetime, note: str = "") -> Condition:
    """The first line of every job's history."""
    return Condition(Phase.PENDING, "Created", f"job created; {note}" if note else "job created", at)


def observe(
    job: Job,
    workflow: Mapping[str, Any],
    now: datetime,
    notes: StepNotes = NO_NOTES,
    freeze: Freeze | None = None,
) -> Job:
    """The job after a look at its Workflow (status.nodes decoded); the same object where that says nothing new.

    Seeing the same again changes nothing, an older state of the Workflow is dropped, a final phase never changes.
    `freeze`: of the cluster, now; only for a job that locks nodes.
    """
    seen = Workflow(workflow)
    if _is_stale(job, seen, noted=is_noted(job) or bool(job.frozen) or freeze is not None):
        return job
    if job.phase.final:
        return job if job.workflow_uid else replace(job, workflow_uid=seen.uid, workflow_version=seen.version)
    if seen.unreadable:
        return _unread(job, seen, now)
    nodes = observed(job.plan, seen)
    rollout = rollout_progress.observed(job.rollout, seen) if job.rollout else None
    if rollout and (notes.ledger or not seen.completed):
        failed = rollout_progress.failed(rollout, job.plan.names, notes)
        nodes = concluded(job.plan, seen, nodes, failed)
        nodes = rollout_progress.placed(rollout, job.plan.nodes, nodes, notes, now)
    steering = job.steering.seen_at(seen.annotations, completed=seen.completed) if job.steering else None
    if steering and steering.paused:
        nodes = rollout_progress.held_by_pause(steering.paused, job.plan.nodes, nodes, notes)
    nodes = rollout_progress.with_stages(nodes, notes)
    if job.frozen or freeze:
        nodes = frozen_nodes.placed(job, nodes, notes.at_work or frozenset(), freeze, now)
    plan = replace(job.plan, nodes=nodes)
    job = replace(job, plan=plan, rollout=rollout, steering=steering)
    job = replace(job, workflow_uid=seen.uid, workflow_version=seen.version)
    job = replace(job, frozen="") if seen.completed else _frozen(job, freeze, now)
    # A step that waits in its pod until the cluster is unfrozen has begun no work.
    begun = any(node.start for node in nodes) or (
        freeze is None and any(step.begun and not step.clean_up for step in seen.steps)
    )
    if begun and job.phase is Phase.PENDING:
        job = _running(job, seen)
    if not seen.completed:
        return _held(job, now) or (job if job.frozen else _waiting(job, seen))
    verdict = judge(job, seen, nodes)
    if verdict.phase is Phase.SUCCEEDED and job.phase is Phase.PENDING:
        job = _running(job, seen)
    return _ended(replace(job, outputs=traits_of(job.type).outputs(job, seen, nodes)), verdict, seen.finished or now)


def _unread(job: Job, seen: Workflow, now: datetime) -> Job:
    """The job while its steps cannot be read: its end is known from Argo, what became of its nodes is not."""
    job = replace(job, workflow_uid=seen.uid, workflow_version=seen.version)
    if not seen.completed:
        return _with_waiting_message(job, seen.unreadable, seen.started or job.created)
    if seen.phase == "Succeeded" and job.phase is Phase.PENDING:
        job = _running(job, seen)
    return _ended(job, judge_unread(job, seen), seen.finished or now)


def refused_by_kubernetes(job: Job, refused: str, at: datetime) -> Job:
    """The job while Kubernetes refuses what it needs, in its own words; empty: it refuses nothing."""
    if job.phase.final or job.refused == refused:
        return job
    job = replace(job, refused=refused)
    return _with_waiting_message(job, refused, at) if refused else job


def not_picked_up(job: Job, workflow: Mapping[str, Any], now: datetime) -> Job:
    """The job while Argo's controller leaves its Workflow alone: after a while a condition says what to look at."""
    seen = Workflow(workflow)
    if job.phase.final or job.refused or seen.phase or seen.created is None:
        return job
    said_at = seen.created + timedelta(seconds=PICKED_UP_WITHIN)
    sentence = (
        f"Argo's controller has not picked up Workflow {seen.name}: see whether it runs, and whether it looks at this "
        "namespace and at Workflows without an instance id"
    )
    return _with_waiting_message(job, sentence, said_at) if now >= said_at else job


def without_workflow(job: Job, now: datetime) -> Job:
    """The job after its Workflow went: by TTL, by DELETE, or by a hand that took the finalizer off."""
    if job.workflow_gone:
        return job
    if not job.phase.final:
        nodes = closed(job.plan.nodes)
        job = replace(job, plan=replace(job.plan, nodes=nodes))
        job = _ended(job, _without_workflow(job, nodes), now)
    return replace(job, workflow_gone=True, deletion_time=job.deletion_time or now)


def _is_stale(job: Job, seen: Workflow, *, noted: bool) -> bool:
    """Whether this is another Workflow of that name, or a state of ours that was seen before or overtaken.

    `noted`: more is known than the Workflow shows, and the same state of it is looked at again.
    """
    if not job.workflow_uid:
        return False
    if seen.uid != job.workflow_uid:
        return True
    if seen.version.isdecimal() and job.workflow_version.isdecimal():
        return int(seen.version) < int(job.workflow_version) + (not noted)
    return seen.version == job.workflow_version and not noted


def is_noted(job: Job) -> bool:
    """Whether its steps note something elsewhere, which changes while the Workflow does not."""
    paused = job.steered is not None and bool(job.steered.paused)
    return job.rollout is not None or traits_of(job.type).notes_at_leases or paused


def _frozen(job: Job, freeze: Freeze | None, now: datetime) -> Job:
    """The job with what the freeze of the cluster means to it in its history."""
    sentence = freeze.sentence if freeze and (job.frozen or frozen_nodes.waits(job)) else ""
    if sentence == job.frozen or (freeze is None and job.stop_requested):
        return job
    job = replace(job, frozen=sentence)
    if sentence:
        return steered(job, FROZEN, f"nothing begins on any node: {sentence}", now)
    return steered(job, UNFROZEN, "nodes begin again: the cluster is no longer frozen", now)


def _held(job: Job, now: datetime) -> Job | None:
    """The job while it is paused; None: it is not. What persons did is in its history already."""
    if job.steered and job.steered.paused:
        return job
    rollout = job.rollout
    if rollout is None:
        return None
    why = rollout_progress.paused_by_failures(rollout, job.plan.nodes)
    if not why:
        return None
    if rollout.failures_said:
        return job
    job = replace(job, rollout=replace(rollout, failures_said=True))
    return steered(job, PAUSED, f"paused by itself: {why}; resume tolerates them", now)


def steered(job: Job, reason: str, message: str, at: datetime) -> Job:
    """The job with what a person did to its rollout in its history."""
    return _with(job, Condition(job.phase, reason, message, at))


def _running(job: Job, seen: Workflow) -> Job:
    # Argo's clock counts whole seconds and may stand behind the record's.
    started = max(seen.started or job.created, job.created)
    condition = Condition(Phase.RUNNING, "Started", "job started", started)
    return _with(replace(job, phase=Phase.RUNNING, started=started), condition)


def _waiting(job: Job, seen: Workflow) -> Job:
    """Say in the history what holds the job up, if anything does."""
    reasons = _reasons(job, seen)
    if not reasons:
        return job
    at = max((at for step in seen.steps for at in (step.started, step.finished) if at), default=job.created)
    return _with_waiting_message(job, messages.listed(reasons), at)


def _with_waiting_message(job: Job, message: str, at: datetime) -> Job:
    """The history with this as what the job waits for now, in place of what it waited for before."""
    last = job.conditions[-1] if job.conditions else None
    in_place = last is not None and last.reason == _WAITING and last.type is job.phase
    if last is not None and in_place and last.message == message:
        return job
    kept = job.conditions[:-1] if in_place else job.conditions
    return _with(replace(job, conditions=kept), Condition(job.phase, _WAITING, message, at))


def _reasons(job: Job, seen: Workflow) -> list[str]:
    if job.refused:
        return [job.refused]
    if seen.suspended and not seen.shut_down:
        return [f"the Workflow is suspended in Argo: nothing begins until `argo resume {seen.name}`"]
    held_up = [
        messages.on_node(node)
        for node in job.plan.nodes
        if node.phase is NodePhase.WAITING or (node.phase is NodePhase.PENDING and node.message)
    ]
    if job.rollout and (between := rollout_progress.between_phases(job.rollout)):
        held_up = [between]
    if held_up:
        return held_up
    if seen.phase in ("", "Pending") and seen.message:
        return [seen.message]
    # A step for all nodes together, like the one that locks them for a preflight job.
    last = last_pod([step for step in seen.steps if not step.clean_up])
    if last is None or last.exit_code != exit_codes.WAITING:
        return []
    return [
        messages.turned_away([step for step in attempts_like(last, seen.steps) if step.exit_code == exit_codes.WAITING])
    ]


def _ended(job: Job, verdict: Verdict, at: datetime) -> Job:
    ended = max(at, job.started or job.created)
    condition = Condition(verdict.phase, verdict.reason, verdict.message, ended)
    return _with(replace(job, phase=verdict.phase, ended=ended, refused=""), condition)


def _without_workflow(job: Job, nodes: Sequence[PlannedNode]) -> Verdict:
    if job.stop_requested or job.hidden:
        return stopped(job, nodes)
    return Verdict(Phase.FAILED, "Error", "the job's Workflow was removed from outside before it ended")


def _with(job: Job, condition: Condition) -> Job:
    """The history with one more line, never out of order."""
    history = job.conditions or (created(job.created),)
    return replace(job, conditions=(*history, replace(condition, at=max(condition.at, history[-1].at))))
