"""Pause, resume and advance: recorded first, then carried out, as a stop is (contract: Rollouts)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from service.domain import phase
from service.domain.audit_line import AuditEntry
from service.domain.job import Job
from service.domain.job_rollout import JobRollout, PhaseState, Steering
from service.domain.job_types.registry import WITH_ROLLOUT, traits_of
from service.domain.request_faults import Fault, FaultCode, RefusedError, StateError
from service.domain.rollout_progress import count_failed, exceeds
from service.jobs.ports import Cluster, Records

_ENDS_BY_ADVANCE = (PhaseState.SOAKING, PhaseState.AWAITING_ADVANCE)

#: Of one job: each stays in its history, which is read and written as a whole, and in the audit.
MOST_PAUSES = 100


async def steer(
    records: Records,
    cluster: Cluster,
    job_id: str,
    change: Callable[[Job, datetime], Job],
    entry: AuditEntry | None = None,
) -> None:
    """Change what persons say of a job in its record and then at its Workflow.

    Raises:
        RefusedError: it is of a type that cannot be steered.
        StateError: it has no rollout to advance, has ended, or is elsewhere.
        UnavailableError: the store is away: nothing happened. Kubernetes is away: it is recorded and will come.
    """
    job = await records.change(job_id, lambda job: change(_steerable(job), cluster.now()), entry)
    if job is not None and job.steered is not None and not job.steered.carried_out:
        await cluster.steer_workflow(job_id, job.steered.annotations)


def pausing(by: str, why: str) -> Callable[[Job, datetime], Job]:
    """What is at work finishes, nothing new begins; a job that is paused stays so by whom it was."""

    def change(job: Job, now: datetime) -> Job:
        if _steered(job).paused:
            return job
        if sum(condition.reason == phase.PAUSED for condition in job.conditions) >= MOST_PAUSES:
            message = f"{job.job_id} was paused {MOST_PAUSES} times, and may be no more: let it go on, or stop it"
            raise StateError(message, "PAUSED_TOO_OFTEN")
        said = f"{by}: {why}" if why else by
        return phase.steered(_with(job, paused=said), phase.PAUSED, f"paused by {said}", now)

    return change


def resuming(by: str) -> Callable[[Job, datetime], Job]:
    """Nodes begin again; where failures hold the job those so far are tolerated, and it counts anew."""

    def change(job: Job, now: datetime) -> Job:
        failed = _failed_that_hold(job)
        if not _steered(job).paused and not failed:
            return job
        told = f"resumed by {by}"
        if failed:
            told += f", who tolerates {failed} failed {'node' if failed == 1 else 'nodes'}"
            job = _with(job, tolerated=failed, failures_said=False)
        return phase.steered(_with(job, paused=""), phase.RESUMED, told, now)

    return change


def advancing(by: str, expected: int | None) -> Callable[[Job, datetime], Job]:
    """The soak or gate of the phase that is under way ends. `expected`: that phase, as the caller saw it."""

    def change(job: Job, now: datetime) -> Job:
        rollout = _rollout(job)
        number = rollout.current
        state = rollout.phases[number - 1].state
        if expected is not None and expected != number:
            message = f"{job.job_id} is in phase {number}, which is {state}, and not in phase {expected}: look again"
            raise StateError(message, "OTHER_PHASE")
        if state not in _ENDS_BY_ADVANCE:
            message = f"phase {number} of {job.job_id} is {state}: it neither soaks nor waits for advance"
            raise StateError(message, "NOTHING_TO_ADVANCE")
        if rollout.advanced >= number:
            return job
        told = f"phase {number} was ended by {by} while it was {state}"
        return phase.steered(_with(job, advanced=number), phase.ADVANCED, told, now)

    return change


def _steerable(job: Job) -> Job:
    if not traits_of(job.type).has_rollout:
        message = f"only {WITH_ROLLOUT} jobs have a rollout; {job.job_id} is of type {job.type}"
        raise RefusedError([Fault("", message, FaultCode.NOT_FOR_THIS_TYPE)])
    if job.phase.final:
        raise StateError(f"{job.job_id} has ended: {job.phase}", "JOB_ENDED")
    if job.stop_requested:
        raise StateError(f"{job.job_id} is being stopped", "JOB_ENDED")
    return job


def _steered(job: Job) -> Steering:
    if job.steered is None:
        message = f"{job.job_id} cannot be paused: the release that accepted it knew no pause; stop and retry it"
        raise StateError(message, "NO_ROLLOUT")
    return job.steered


def _rollout(job: Job) -> JobRollout:
    if job.rollout is None:
        message = f'{job.job_id} has no phases to advance: it was submitted without "rollout"'
        raise StateError(message, "NO_ROLLOUT")
    return job.rollout


def _failed_that_hold(job: Job) -> int:
    """How many failed nodes hold the job until a person resumes it; 0: it is not held by any."""
    failed, rollout = count_failed(job.plan.nodes), job.rollout
    return failed if rollout and rollout.on_failure == "pause" and exceeds(rollout, failed) else 0


def _with(job: Job, **said: str | int | bool) -> Job:
    steering = replace(_steered(job), carried_out=False, **said)  # type: ignore[arg-type]  # its fields
    return replace(job, **{"rollout" if job.rollout else "steering": steering})  # type: ignore[arg-type]  # of its type
