"""What a job's steps write, and what it left behind (contract: Following a job)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from service.api import log_parameters, server_sent_events
from service.api.caller import CallerDep, job_for, require_output, still_shown
from service.api.dependencies import Dependencies, Services
from service.api.log_format import LogEvents, LogText
from service.api.openapi import LOG, OUTPUT, OUTPUT_FILE, OUTPUT_TEXT, problems
from service.api.outbox import Outbox
from service.api.output_files import output_response
from service.api.problems import Problem
from service.api.routes import PREFIX
from service.api.streams import StreamResponse, within_stream_limit
from service.domain.cluster_objects import Caller
from service.domain.job import Job, Plan
from service.domain.job_types.registry import traits_of
from service.domain.masked_lines import Masking
from service.jobs.masked_output import NotMaskableError, masking_of
from service.jobs.ports import StepOutput
from service.jobs.reading_output import OutputReader
from service.jobs.reading_stored import StoredOutput, read_index

#: Beside the limit on requests: what is under way here may last.
router = APIRouter(prefix=PREFIX, dependencies=[Depends(within_stream_limit)])


@router.get(
    "/{job_id}/log",
    summary="Read or follow a job's output",
    operation_id="log",
    openapi_extra=LOG,
    response_class=Response,
    responses={
        **OUTPUT_TEXT,
        **problems(HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
    },
)
async def log(request: Request, job_id: str, services: Services, who: CallerDep) -> Response:
    """What the steps wrote: as text, or with Accept: text/event-stream as events that can be resumed."""
    job = await job_for(services, who, job_id, "get")
    await require_output(services, who, job)
    asked = log_parameters.wanted(request, job)
    log_parameters.require_few_nodes(job, asked)
    as_events = server_sent_events.wanted(request.headers.get("Accept", ""))
    position = log_parameters.position(request) if as_events else None
    source, masking = await _source(services, job)
    names_nodes = not asked.node and len(job.plan.names) > 1
    reader = OutputReader(
        source=source,
        job=job,
        wanted=asked,
        masking=masking,
        position=position,
        budget=partial(services.streams.read, who.user_id),
        gather=services.streams.gather_seconds,
    )

    async def text(outbox: Outbox) -> None:
        await reader.run(LogText(outbox, names_nodes=names_nodes))

    async def events(outbox: Outbox) -> None:
        sink = LogEvents(outbox)
        await reader.run(sink)
        await sink.end()

    still_allowed = partial(_still_allowed, request, services, who, _brief(job))
    if as_events:
        return StreamResponse(services.streams, events, still_allowed)
    return StreamResponse(services.streams, text, still_allowed, media_type="text/plain; charset=utf-8")


async def opened() -> AsyncIterator[AsyncExitStack]:
    """What is read for a response, and closed after it."""
    async with AsyncExitStack() as stack:
        yield stack


@router.get(
    "/{job_id}/outputs/{name}",
    summary="Get a file that a job left",
    operation_id="output",
    openapi_extra=OUTPUT,
    response_class=Response,
    responses={
        **OUTPUT_FILE,
        **problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE),
    },
)
async def output(  # noqa: PLR0913, PLR0917 - what FastAPI is to bring
    request: Request,
    job_id: str,
    name: str,
    services: Services,
    who: CallerDep,
    stack: Annotated[AsyncExitStack, Depends(opened)],
) -> Response:
    """A report, a picture or an archive, through the service, as an attachment."""
    job = await job_for(services, who, job_id, "get")
    await require_output(services, who, job)
    still_allowed = partial(_still_allowed, request, services, who, _brief(job))
    return await output_response(request, services, job, name, still_allowed, stack)


async def _source(services: Dependencies, job: Job) -> tuple[StepOutput, Masking]:
    """Where the job's output is, and with what it is masked: in the object store once its pods are gone.

    Raises:
        Problem: 404 where it is gone, or where it is not known what must not be seen.
    """
    goes = job.phase.final and (job.hidden or job.workflow_gone)
    gone = job.phase.final and not (await services.output.step_pods(job.job_id)).pods
    if (goes or gone) and services.stored and (index := await read_index(services.stored, job.job_id)):
        return StoredOutput(services.stored, job.job_id, index, services.output), Masking()
    if gone:
        message = f"the output of {job.job_id} went with its pods, which are kept for ttlSecondsAfterFinished"
        raise Problem(HTTPStatus.NOT_FOUND, message, code="OUTPUT_GONE")
    try:
        return services.output, await masking_of(services.output, job)
    except NotMaskableError as error:
        message = f"the output of {job.job_id} is not shown: {error}"
        raise Problem(HTTPStatus.NOT_FOUND, message, code="OUTPUT_GONE") from error


async def _still_allowed(request: Request, services: Services, who: Caller, job: Job) -> None:
    await still_shown(request, services, who, job)
    await require_output(services, who, job)


def _brief(job: Job) -> Job:
    """What is to be known of a job as long as it is followed: its plan may be long."""
    work = job.work if traits_of(job.type).guarded_output else {}
    return replace(job, plan=Plan(), conditions=(), inputs=(), outputs=(), options={}, work=work)
