"""GET /api/v1/opsjobs/{jobId}/events: what happens to a job, as it happens (contract: Following a job)."""

import re
from collections import deque
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response

from service.api.caller import CallerDep, job_for, readable, still_shown
from service.api.dependencies import Dependencies, Services
from service.api.openapi import EVENTS, event_stream, problems
from service.api.outbox import Outbox
from service.api.problems import unknown_job
from service.api.server_sent_events import event
from service.api.streams import StreamResponse, within_stream_limit
from service.domain import job_changes
from service.domain.cluster_objects import Caller
from service.domain.job import Job
from service.domain.job_ids import is_job_id
from service.domain.job_representation import detail
from service.jobs.job_followers import Snapshot

router = APIRouter(prefix="/api/v1/opsjobs", dependencies=[Depends(within_stream_limit)])

#: Bytes of a first event, which may be a megabyte, that wait for a reader at a time.
_PIECE = 65_536
_VERSION = re.compile(r"[0-9]{1,18}")


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    operation_id="follow_job",
    openapi_extra=EVENTS,
    response_class=Response,
    responses={**event_stream("job, phase, condition, node, progress, end"), **problems(HTTPStatus.NOT_FOUND)},
)
async def follow_job(request: Request, job_id: str, services: Services, who: CallerDep) -> Response:
    """Server-sent events until the job has ended; with Last-Event-ID all that is known once, and then what changes."""
    # Without its long texts, which a stream would keep for as long as it lasts.
    found = await services.records.get_version(job_id) if is_job_id(job_id) else None
    # Read after it: what changed in between is told again rather than never.
    job = await job_for(services, who, job_id, "get")
    if found is None:
        raise unknown_job(job_id)
    known = Snapshot(found[1], found[0])
    resumes = _VERSION.fullmatch(request.headers.get("Last-Event-ID", "").strip()) is not None
    first = (
        _as_events(known.version, job_changes.state(known.job)) if resumes else await _job(services, who, job, known)
    )
    return StreamResponse(
        services.streams,
        partial(_follow, services, known, _pieces(first)),
        partial(still_shown, request, services, who, known.job),
    )


async def _follow(services: Dependencies, known: Snapshot, first: deque[bytes], outbox: Outbox) -> None:
    while first:
        await outbox.put(first.popleft(), live=False)
    if known.job.phase.final:
        return
    async with services.followers.follow(known.job.job_id, known) as followed:
        while not known.job.phase.final:
            latest = await followed.later_than(known.version)
            # Most changes of a record are none that a reader sees.
            if text := followed.shared(known, latest, partial(_changed, latest.version)):
                await outbox.put(text)
            known = latest


def _changed(version: int, before: Job, after: Job) -> bytes:
    return _as_events(version, job_changes.changes(before, after))


async def _job(services: Dependencies, who: Caller, job: Job, known: Snapshot) -> bytes:
    """The job as GET shows it to this caller, and its end, where that is known."""
    shown = detail(await readable(services, who, job), services.argo_ui_url, services.jobs_namespace)
    return event("job", shown, str(known.version)) + _as_events(known.version, job_changes.end(known.job))


def _pieces(text: bytes) -> deque[bytes]:
    """Each goes when it was handed over: no stream keeps what it began with."""
    return deque(text[begin : begin + _PIECE] for begin in range(0, len(text), _PIECE))


def _as_events(version: int, changes: Iterable[job_changes.Change]) -> bytes:
    return b"".join(event(name, data, str(version)) for name, data in changes)
