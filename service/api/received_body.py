"""The body of a request, and what a client must still have when it has come, however long that took."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import Request

from service.api import audit, body
from service.api.caller import job_for, require_begin, still
from service.api.dependencies import Dependencies
from service.domain.cluster_objects import Caller
from service.domain.job import Job


@asynccontextmanager
async def received(request: Request, services: Dependencies, who: Caller) -> AsyncIterator[bytes]:
    """The body, for whose memory there is room while the block lasts, of a token that is accepted after it too.

    Raises:
        Problem: 400, 401, 408, 413, 503.
    """
    size = body.declared(request) or services.max_body_bytes
    async with services.body_memory.take(who.user_id, size) as place:
        async with place.reading():
            sent = await body.read(request, services.max_body_bytes, services.body_seconds)
        await still(request, services, who)
        yield sent


async def job_and_body(
    request: Request, services: Dependencies, who: Caller, job_id: str, *, begins: str = ""
) -> tuple[Job, dict[str, Any]]:
    """The job that a call is about, and its body, which may be absent: it is an empty object then.

    The rights are asked before anything is read, and again when the body has come. `begins`: what a call that has work
    begun is called.

    Raises:
        Problem: as `received`, or the caller may not do this.
    """
    await _permitted(request, services, who, job_id, begins)
    async with received(request, services, who) as sent:
        pass
    job = await _permitted(request, services, who, job_id, begins)
    return job, body.parse(sent) if sent.strip() else {}


async def _permitted(request: Request, services: Dependencies, who: Caller, job_id: str, begins: str) -> Job:
    job = await job_for(services, who, job_id, "update", partial(audit.about, request))
    if begins:
        await require_begin(services, who, job, begins)
    return job
