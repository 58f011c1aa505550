"""The five calls of the API document, and those beside them that begin or hold work."""

from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from service.api import audit, responses
from service.api.caller import CallerDep, job_for, readable, visible, within_caller_limit
from service.api.creation import Creating, dry_run_answer
from service.api.dependencies import Services
from service.api.etags import tagged
from service.api.idempotency import KeyHeader
from service.api.list_parameters import list_query
from service.api.openapi import (
    CREATE,
    CREATED,
    LIST,
    NOT_MODIFIED,
    RETRIED,
    RETRY,
    SHOW,
    TAGGED,
    empty,
    json_response,
    problems,
)
from service.api.retrying import retried
from service.api.write_parameters import only
from service.domain.job_representation import detail
from service.jobs import stop_and_delete

PREFIX = "/api/v1/opsjobs"
#: What stop and delete may be refused with.
_CHANGE_FAULTS = (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)

router = APIRouter(prefix=PREFIX, dependencies=[Depends(within_caller_limit)])


@router.post(
    "",
    summary="Create a job",
    operation_id="create",
    openapi_extra=CREATE,
    responses={
        **CREATED,
        **problems(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.CONFLICT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ),
    },
)
async def create(request: Request, services: Services, who: CallerDep, idempotency_key: KeyHeader = None) -> Response:
    """Accept a job: its plan is decided now, it runs exactly once, and GET for its id works at once."""
    created = await Creating(request, services, who).run(idempotency_key)
    if created.shown:
        return JSONResponse(dry_run_answer(created.shown))
    return _created(created.job_id)


@router.get(
    "",
    summary="List jobs",
    operation_id="list_jobs",
    openapi_extra=LIST,
    responses={**json_response(responses.Listed), **problems(HTTPStatus.BAD_REQUEST)},
)
async def list_jobs(request: Request, services: Services, who: CallerDep) -> Response:
    """One page of the jobs the caller may see, and how many there are in all."""
    query = list_query(request.query_params, await visible(services, who), datetime.now(UTC))
    page = await services.records.page(query)
    return Response(
        b'{"totalCount":%d,"items":[%b]}' % (page.total, b",".join(page.items)), media_type="application/json"
    )


@router.get(
    "/{job_id}",
    summary="Show a job",
    operation_id="show",
    openapi_extra=SHOW,
    responses={**json_response(responses.Detail, headers=TAGGED), **NOT_MODIFIED, **problems(HTTPStatus.NOT_FOUND)},
)
async def show(request: Request, job_id: str, services: Services, who: CallerDep) -> Response:
    """Everything that is known of one job, deleted ones included."""
    job = await readable(services, who, await job_for(services, who, job_id, "get"))
    return tagged(request, detail(job, services.argo_ui_url, services.jobs_namespace))


@router.post(
    "/{job_id}/stop",
    summary="Stop a job",
    operation_id="stop_job",
    response_class=Response,
    dependencies=[Depends(only())],
    responses={**empty(), **problems(*_CHANGE_FAULTS)},
)
async def stop_job(request: Request, job_id: str, services: Services, who: CallerDep) -> Response:
    """End what runs, let clean-up run; a finished job is left as it is."""
    await job_for(services, who, job_id, "update", partial(audit.about, request))
    await stop_and_delete.stop(services.records, services.cluster, job_id, by=who.user_name, entry=audit.entry(request))
    return Response()


@router.post(
    "/{job_id}/retry",
    summary="Retry a job",
    operation_id="retry_job",
    openapi_extra=RETRY,
    dependencies=[Depends(only())],
    responses={
        **RETRIED,
        **problems(
            *_CHANGE_FAULTS,
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ),
    },
)
async def retry_job(
    request: Request, job_id: str, services: Services, who: CallerDep, idempotency_key: KeyHeader = None
) -> Response:
    """Create a job on those nodes of a finished addon or reboot job that failed or were not begun, with what it ran."""
    return _created(await retried(request, services, who, job_id, idempotency_key))


@router.delete(
    "/{job_id}",
    summary="Delete a job",
    operation_id="delete_job",
    response_class=Response,
    dependencies=[Depends(only())],
    responses={**empty(), **problems(*_CHANGE_FAULTS)},
)
async def delete_job(request: Request, job_id: str, services: Services, who: CallerDep) -> Response:
    """Stop the job where needed and remove its Workflow when clean-up is done; the record stays."""
    await job_for(services, who, job_id, "delete", partial(audit.about, request))
    await stop_and_delete.delete(
        services.records, services.cluster, job_id, by=who.user_name, entry=audit.entry(request)
    )
    return Response()


def _created(job_id: str) -> Response:
    return JSONResponse({"jobId": job_id}, headers={"Location": f"{PREFIX}/{job_id}"})
