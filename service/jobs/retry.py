"""Retry: the nodes of a finished job that failed or were not begun, with what that job ran (contract: Rollouts)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from service.domain.job import Job, Named, NodePhase, PlannedNode
from service.domain.job_types.registry import WITH_ROLLOUT, traits_of
from service.domain.request_faults import Fault, FaultCode, RefusedError, StateError
from service.jobs.order import Order, Retry

#: Inputs that say what is run; which nodes were meant is known from the plan.
_WHAT = ("addon.template", "node.template")


class Which(StrEnum):
    """Which of the job's nodes are worked on again."""

    FAILED = "failed"
    NOT_BEGUN = "notBegun"
    BOTH = "both"


def order(job: Job, which: Which) -> Order:
    """What a retry of that job asks for: its nodes by name, within the workspace that it kept within.

    Raises:
        StateError: it still runs, or was deleted.
        RefusedError: it is of a type that cannot be retried, or none of its nodes are left to retry.
    """
    if not traits_of(job.type).has_rollout:
        message = f"only {WITH_ROLLOUT} jobs can be retried; {job.job_id} is of type {job.type}"
        raise RefusedError([Fault("", message, FaultCode.NOT_FOR_THIS_TYPE)])
    if not job.phase.final:
        raise StateError(f"{job.job_id} has not ended: wait for its end, or stop it, before it is retried", "JOB_RUNS")
    if job.hidden:
        raise StateError(f"{job.job_id} was deleted, and what it ran is not kept: create a new job", "JOB_DELETED")
    nodes = left(job.plan.nodes, which)
    if not nodes:
        raise RefusedError([Fault("which", _nothing(job, which), FaultCode.NOTHING_TO_RETRY)])
    place = [Named("workspace", job.workspace_id)] if job.workspace_id else []
    return Order(
        name=job.job_name,
        type=job.type,
        inputs=(*(item for item in job.inputs if item.name in _WHAT), *place, *(Named("node", name) for name in nodes)),
        timeout_second=job.timeout_second,
        options=_in_one_phase(job.options),
        retry=Retry(job.job_id, job.work.get("files") or {}),
    )


def _in_one_phase(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options with the limits of before; which nodes were the first to be tried says nothing of those left."""
    rollout = options.get("rollout")
    if not rollout:
        return options
    return {**options, "rollout": {name: value for name, value in rollout.items() if name != "phases"}}


def left(nodes: Sequence[PlannedNode], which: Which) -> list[str]:
    """The names of those nodes of a job that has ended. Where an end could not be read, what is known counts."""
    failed = [node.name for node in nodes if node.phase in (NodePhase.FAILED, NodePhase.RUNNING)]
    not_begun = [node.name for node in nodes if node.phase in (NodePhase.SKIPPED, NodePhase.PENDING, NodePhase.WAITING)]
    chosen = {Which.FAILED: failed, Which.NOT_BEGUN: not_begun, Which.BOTH: [*failed, *not_begun]}[which]
    return sorted(chosen)


def _nothing(job: Job, which: Which) -> str:
    what = {Which.FAILED: "failed", Which.NOT_BEGUN: "was left unbegun", Which.BOTH: "failed or was left unbegun"}
    planned = len(job.plan.nodes)
    return f"nothing is left to retry: none of the {planned} planned nodes of {job.job_id} {what[which]}"
