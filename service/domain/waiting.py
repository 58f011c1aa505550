"""For what a job waits, and since when: what is stuck is seen by the age of the oldest that waits."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from service.domain.job import Job, NodePhase, Phase
from service.domain.job_rollout import PhaseState
from service.domain.phase import ADVANCED, FROZEN, PAUSED, RESUMED, UNFROZEN


class WaitReason(StrEnum):
    """The first that holds, in this order."""

    #: The cluster is frozen.
    FROZEN = "frozen"
    #: Kubernetes refuses something that the job needs.
    REFUSED = "refused"
    #: By a person, or by itself because of its failed nodes.
    PAUSED = "paused"
    #: The next phase of its rollout waits for a person's advance.
    GATE = "gate"
    #: A phase of its rollout soaks.
    SOAK = "soak"
    #: Its nodes are locked by another job, or busy.
    NODE = "node"
    #: Its next step has not begun: Argo has not picked it up, or its pod does not start.
    START = "start"


class Waiting(NamedTuple):
    reason: WaitReason
    since: datetime


_TURNS = frozenset({PAUSED, RESUMED, ADVANCED, FROZEN, UNFROZEN})


def waiting(job: Job) -> Waiting | None:
    """None: the job has ended, or is at work somewhere."""
    if job.phase.final or any(node.phase is NodePhase.RUNNING for node in job.plan.nodes):
        return None
    reason = _reason(job)
    return Waiting(reason, _since(job)) if reason else None


def _reason(job: Job) -> WaitReason | None:
    rollout, nodes = job.rollout, job.plan.nodes
    phases = {phase.state for phase in rollout.phases} if rollout else set()
    holds = {
        WaitReason.FROZEN: bool(job.frozen),
        WaitReason.REFUSED: bool(job.refused),
        WaitReason.PAUSED: bool((job.steered and job.steered.paused) or (rollout and rollout.failures_said)),
        WaitReason.GATE: PhaseState.AWAITING_ADVANCE in phases,
        WaitReason.SOAK: PhaseState.SOAKING in phases,
        WaitReason.NODE: any(node.phase is NodePhase.WAITING for node in nodes),
        WaitReason.START: job.phase is Phase.PENDING or any(not node.phase.final for node in nodes),
    }
    return next((reason for reason in WaitReason if holds[reason]), None)


def _since(job: Job) -> datetime:
    """When something last happened to it; that it waits for another than before is none."""
    moments = [job.created, job.started, *(condition.at for condition in job.conditions if condition.reason in _TURNS)]
    moments += [at for node in job.plan.nodes for at in (node.start, node.end)]
    if job.rollout:
        moments += [at for phase in job.rollout.phases for at in (phase.start, phase.soaking, phase.end)]
    return max(at for at in moments if at)
