"""Idempotency-Key: a request that is sent again makes nothing twice (contract: Idempotency-Key header)."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import structlog
from fastapi import Header

from service.api import body
from service.api.dependencies import Dependencies
from service.domain.request_faults import Fault, shown
from service.jobs.ports import IdempotencyKey, UnavailableError

log = structlog.get_logger()

MAX_KEY = 255

# Described in service/api/openapi.py.
KeyHeader = Annotated[str | None, Header(alias="Idempotency-Key", include_in_schema=False)]


def faults(text: str | None) -> list[Fault]:
    """What is wrong with the header."""
    if text is None or (text.strip() and text.isprintable() and len(text) <= MAX_KEY):
        return []
    return [Fault("Idempotency-Key", f"must be 1 to {MAX_KEY} printable characters; {shown(text)} was sent")]


def key(text: str | None, user_id: str, content: dict[str, Any]) -> IdempotencyKey | None:
    """The key of a request that asks for `content`; None: it came without one."""
    if text is None:
        return None
    return IdempotencyKey(user_id, text, hashlib.sha256(body.canonical(content)).hexdigest())


async def once(services: Dependencies, claimed: IdempotencyKey | None, accept: Callable[[], Awaitable[str]]) -> str:
    """The id of the job that `accept` makes, or of the one that the key already stands for.

    Raises:
        KeyConflictError: the key came with another body, or its first request is still under way.
    """
    if claimed is None:
        return await accept()
    if job_id := await services.submission.claim(claimed):
        return job_id
    try:
        return await accept()
    except BaseException:
        await _given_back(services, claimed)
        raise


async def _given_back(services: Dependencies, claimed: IdempotencyKey) -> None:
    """As far as the store takes it; what the request failed of is still its answer, and a claim ends by itself."""
    try:
        await services.records.release(claimed)
    except UnavailableError as error:
        log.warning("an Idempotency-Key was not given back; it is free in a minute", reason=str(error))
