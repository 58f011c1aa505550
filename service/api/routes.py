"""The five calls of the API document."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from service.api import answers, audit, body, requests
from service.api.caller import CallerDep, create_reach, job_for, readable, require_create, turn, visible
from service.api.openapi import CREATE, CREATED, LIST, answer, empty, problems
from service.api.problems import Problem
from service.api.query import list_query
from service.api.wiring import Services
from service.domain.answers import detail, plan_answer
from service.domain.selection import Selection
from service.jobs import stop
from service.jobs.ports import IdempotencyKey, Records, UnavailableError

log = structlog.get_logger()

PREFIX = "/api/v1/opsjobs"
#: Contract: Idempotency-Key.
MAX_KEY = 255

router = APIRouter(prefix=PREFIX, dependencies=[Depends(turn)])

# Described in service/api/openapi.py.
KeyHeader = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]


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
            HTTPStatus.CONFLICT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
        ),
    },
)
async def create(
    request: Request,
    services: Services,
    who: CallerDep,
    idempotency_key: KeyHeader = None,
    dry_run: Annotated[str, Query(alias="dryRun", include_in_schema=False)] = "",
) -> Response:
    """Accept a job: its plan is decided now, it runs exactly once, and GET for its id works at once."""
    audit.note(request, dry_run=dry_run == "true")
    content = body.parse(await body.read(request, services.max_body_bytes))
    order = replace(requests.order(content), caller=who)
    audit.note(request, type=order.type)
    submission = services.submission
    reach = await create_reach(services, who, order.type)

    async def permit(selection: Selection) -> None:
        audit.note(request, nodes=list(selection.plan.names))
        await require_create(services, who, order.type, selection)

    if dry_run == "true":
        resolved = await submission.resolve(order, reach, permit)
        return JSONResponse({"plan": plan_answer(resolved.selection.plan)})
    key = _key(idempotency_key, who.user_id, content)
    job_id = await submission.claim(key) if key else None
    if job_id is None:
        try:
            resolved = await submission.resolve(order, reach, permit)
            job_id = await submission.submit(order, who, resolved, key)
        except BaseException:
            if key:
                await _given_back(services.records, key)
            raise
    audit.note(request, job_id=job_id)
    return JSONResponse({"jobId": job_id}, headers={"Location": f"{PREFIX}/{job_id}"})


@router.get(
    "",
    summary="List jobs",
    operation_id="list_jobs",
    openapi_extra=LIST,
    responses={**answer(answers.Listed), **problems(HTTPStatus.BAD_REQUEST)},
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
    responses={**answer(answers.Detail), **problems(HTTPStatus.NOT_FOUND)},
)
async def show(job_id: str, services: Services, who: CallerDep) -> Response:
    """Everything that is known of one job, deleted ones included."""
    job = await readable(services, who, await job_for(services, who, job_id, "get"))
    return JSONResponse(detail(job, services.argo_ui_url, services.jobs_namespace))


@router.post(
    "/{job_id}/stop",
    summary="Stop a job",
    operation_id="stop_job",
    response_class=Response,
    responses={**empty(), **problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)},
)
async def stop_job(request: Request, job_id: str, services: Services, who: CallerDep) -> Response:
    """End what runs, let clean-up run; a finished job is left as it is."""
    await job_for(services, who, job_id, "update", partial(audit.about, request))
    await stop.stop(services.records, services.cluster, job_id, by=who.user_name)
    return Response()


@router.delete(
    "/{job_id}",
    summary="Delete a job",
    operation_id="delete_job",
    response_class=Response,
    responses={**empty(), **problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)},
)
async def delete_job(request: Request, job_id: str, services: Services, who: CallerDep) -> Response:
    """Stop the job where needed and remove its Workflow when clean-up is done; the record stays."""
    await job_for(services, who, job_id, "delete", partial(audit.about, request))
    await stop.delete(services.records, services.cluster, job_id, by=who.user_name)
    return Response()


async def _given_back(records: Records, key: IdempotencyKey) -> None:
    """As far as the store takes it; what the request failed of is still its answer, and a claim ends by itself."""
    try:
        await records.release(key)
    except UnavailableError as error:
        log.warning("an Idempotency-Key was not given back; it is free in a minute", reason=str(error))


def _key(text: str | None, user_id: str, content: dict[str, Any]) -> IdempotencyKey | None:
    if text is None:
        return None
    if not text.strip() or not text.isprintable() or len(text) > MAX_KEY:
        raise Problem(HTTPStatus.BAD_REQUEST, "Idempotency-Key must be 1 to 255 printable characters")
    return IdempotencyKey(user_id, text, hashlib.sha256(body.canonical(content)).hexdigest())
