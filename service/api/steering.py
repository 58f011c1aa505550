"""POST …/{jobId}/pause, /resume and /advance: hold a job and let it go on (contract: Rollouts)."""

from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response

from service.api import audit, parse_order
from service.api.caller import CallerDep, job_for, require_begin, within_caller_limit
from service.api.dependencies import Services
from service.api.openapi import empty, optional_body, problems
from service.api.request_bodies import AdvanceRequest, PauseRequest, ResumeRequest
from service.api.retrying import small_body
from service.api.write_parameters import only
from service.jobs import steer

PREFIX = "/api/v1/opsjobs"
_FAULTS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
)
_ANSWERS = {**empty(), **problems(*_FAULTS)}

router = APIRouter(
    prefix=PREFIX, dependencies=[Depends(within_caller_limit), Depends(only())], default_response_class=Response
)


@router.post(
    "/{job_id}/pause",
    summary="Pause a job",
    operation_id="pause_job",
    openapi_extra=optional_body(PauseRequest),
    responses=_ANSWERS,
)
async def pause_job(request: Request, job_id: str, services: Services, who: CallerDep) -> Response:
    """What is at work finishes, nothing new begins; until resume, whatever is restarted meanwhile."""
    await job_for(services, who, job_id, "update", partial(audit.about, request))
    asked = parse_order.read(PauseRequest, await small_body(request, services, who))
    change = steer.pausing(who.user_name, (asked.reason or "").strip())
    await steer.steer(services.records, services.cluster, job_id, change)
    return Response()


@router.post(
    "/{job_id}/resume",
    summary="Resume a job",
    operation_id="resume_job",
    openapi_extra=optional_body(ResumeRequest),
    responses=_ANSWERS,
)
async def resume_job(request: Request, job_id: str, services: Services, who: CallerDep) -> Response:
    """Let a paused job go on; where failures paused it those so far are tolerated."""
    job = await job_for(services, who, job_id, "update", partial(audit.about, request))
    await require_begin(services, who, job, "resume")
    parse_order.read(ResumeRequest, await small_body(request, services, who))
    await steer.steer(services.records, services.cluster, job_id, steer.resuming(who.user_name))
    return Response()


@router.post(
    "/{job_id}/advance",
    summary="Advance a job to its next phase",
    operation_id="advance_job",
    openapi_extra=optional_body(AdvanceRequest),
    responses=_ANSWERS,
)
async def advance_job(request: Request, job_id: str, services: Services, who: CallerDep) -> Response:
    """End the soak or the manual gate of the phase that is under way."""
    job = await job_for(services, who, job_id, "update", partial(audit.about, request))
    await require_begin(services, who, job, "advance")
    asked = parse_order.read(AdvanceRequest, await small_body(request, services, who))
    change = steer.advancing(who.user_name, asked.expected_phase)
    await steer.steer(services.records, services.cluster, job_id, change)
    return Response()
