"""POST /api/v1/opsjobs/{jobId}/retry: a new job on the nodes of an old one that failed or were not begun."""

from fastapi import Request

from service.api import audit, idempotency, parse_order
from service.api.dependencies import Dependencies
from service.api.planning import resolved
from service.api.problems import refused
from service.api.received_body import job_and_body
from service.api.request_bodies import RetryRequest
from service.domain.cluster_objects import Caller
from service.jobs import retry


async def retried(request: Request, services: Dependencies, who: Caller, job_id: str, key_text: str | None) -> str:
    """The id of the new job. The rights are asked first, then the form, then the old job's state, then the plan.

    Raises:
        Problem: what is wrong with the request.
        RefusedError: nothing is left to retry, or the new job cannot be planned.
        StateError: the job has not ended, or was deleted.
    """
    job, content = await job_and_body(request, services, who, job_id, begins="retry")
    asked = parse_order.read(RetryRequest, content)
    if faults := idempotency.faults(key_text):
        raise refused(faults)
    key = idempotency.key(key_text, who.user_id, {"retryOf": job.job_id, **content})

    async def accept() -> str:
        order = retry.order(job, asked.which)
        planned = await resolved(request, services, who, order)
        return await services.submission.submit(order, who, planned, key, audit.entry(request))

    made = await idempotency.once(services, key, accept)
    audit.note(request, job_id=made, retry_of=job.job_id)
    return made
