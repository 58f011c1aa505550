"""Stop and delete: recorded first, then carried out; what could not be carried out is done by the reconciler."""

from dataclasses import replace
from datetime import datetime

from service.domain.audit_line import AuditEntry
from service.domain.job import Job
from service.jobs.ports import Cluster, Records


async def stop(records: Records, cluster: Cluster, job_id: str, *, by: str, entry: AuditEntry | None = None) -> None:
    """End a job's running steps and let its clean-up run (contract: Stop). A finished job is not changed.

    Raises:
        UnavailableError: the store is away: nothing happened. Kubernetes is away: the stop is recorded and will come.
    """
    job = await records.change(job_id, lambda job: _stopped(job, cluster.now()), entry)
    if job is not None and job.stop_requested and not job.phase.final:
        await cluster.stop_workflow(job_id, by=by)


async def delete(records: Records, cluster: Cluster, job_id: str, *, by: str, entry: AuditEntry | None = None) -> None:
    """Stop a job where needed and remove its Workflow; the record stays, out of the lists (contract: Delete)."""
    job = await records.change(job_id, lambda job: _deleted(job, cluster.now()), entry)
    if job is None or job.workflow_gone:
        return
    if not job.phase.final:
        await cluster.stop_workflow(job_id, by=by)
    await cluster.delete_workflow(job_id)


def _stopped(job: Job, now: datetime) -> Job:
    """By the apiserver's clock: it is compared with when Argo says that the Workflow ended."""
    if job.phase.final or job.stop_requested:
        return job
    return replace(job, stop_requested=now)


def _deleted(job: Job, now: datetime) -> Job:
    if job.hidden:
        return job
    return replace(_stopped(job, now), hidden=True, deletion_time=job.deletion_time or now)
