"""POST …/{jobId}/pause, /resume and /advance: hold a job and let it go on (contract: Rollouts)."""

from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response

from service.api import audit, parse_order
from service.api.caller import CallerDep, within_caller_limit
from service.api.dependencies import Services
from service.api.openapi import empty, optional_body, problems
from service.api.received_body import job_and_body
from service.api.request_bodies import AdvanceRequest, PauseRequest, ResumeRequest
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
    _, content = await job_and_body(request, services, who, job_id)
    asked = parse_order.read(PauseRequest, content)
    change = steer.pausing(who.user_name, (asked.reason or "").strip())
    await steer.steer(services.records, services.cluster, job_id, change, audit.entry(request))
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
    _, content = await job_and_body(request, services, who, job_id, begins="resume")
    parse_order.read(ResumeRequest, content)
    await steer.steer(services.records, services.cluster, job_id, steer.resuming(who.user_name), audit.entry(request))
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
    _, content = await job_and_body(request, services, who, job_id, begins="advance")
    asked = parse_order.read(AdvanceRequest, content)
    change = steer.advancing(who.user_name, asked.expected_phase)
    await steer.steer(services.records, services.cluster, job_id, change, audit.entry(request))
    return Response()
