"""GET /{id}/outputs/{name}: a report, a picture or an archive through the service, as an attachment."""

import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from http import HTTPStatus

from fastapi import Request, Response

from service.api.dependencies import Dependencies
from service.api.outbox import Outbox
from service.api.problems import Problem
from service.api.streams import StillAllowed, StreamResponse
from service.domain.job import Job
from service.domain.job_types.traits import OutputFile
from service.domain.request_faults import shown
from service.domain.stored_output import is_of, output_files, value
from service.jobs.store_ports import NoSuchObjectError, StoredObject, StoredObjects

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
#: What the store is asked for: one range, of a tag or a date. Anything else is ignored, as HTTP has it.
_ASKED = {"Range": _RANGE, "If-Range": re.compile(r"[ -~]{1,200}")}


async def output_response(  # noqa: PLR0913, PLR0917 - whose, what and how long
    request: Request, services: Dependencies, job: Job, name: str, still_allowed: StillAllowed, opened: AsyncExitStack
) -> Response:
    """The file of that name, or the range of it that is asked for; `opened` is closed after the response.

    Raises:
        Problem: 404 where there is none (yet, or any more).
    """
    file = _file(job, name)
    found = value(job, file)
    if not found:
        raise _absent(f"{job.job_id} has no {name}" + (" yet" if not job.phase.final else ""))
    headers = _headers(job, file)
    if file.ending is None:
        return _in_range(request, found.encode(), file.media_type, headers)
    stored_objects, key = _stored(services, job, found)
    asked = {name: text for name, known in _ASKED.items() if known.fullmatch(text := request.headers.get(name, ""))}
    if asked.keys() != {name for name in _ASKED if name in request.headers}:
        # A range without its condition would be of another file.
        asked = {}
    try:
        stored = await opened.enter_async_context(stored_objects.open(key, asked))
    except NoSuchObjectError as error:
        raise _absent(str(error)) from error
    if stored.status is HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise _no_range(stored.headers.get("content-range", ""))
    headers |= stored.headers
    return StreamResponse(
        services.streams,
        partial(_copy, stored),
        still_allowed,
        media_type=file.media_type,
        headers=headers,
        status_code=stored.status,
    )


def _file(job: Job, name: str) -> OutputFile:
    files = output_files(job.type)
    if name in files:
        return files[name]
    what = f"a job of type {job.type} leaves {', '.join(files) or 'no files'}"
    raise _absent(f"there is no output {shown(name)}: {what}")


def _stored(services: Dependencies, job: Job, address: str) -> tuple[StoredObjects, str]:
    if services.stored is None:
        raise _absent(
            "the service has no key of the object store here: see the chart's value objectStore.serviceSecret"
        )
    key = services.stored.key(address)
    if not is_of(job, key):
        raise _absent(f"{job.job_id} names no file of its own in the object store of this installation")
    return services.stored, key


def _absent(message: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, message, code="UNKNOWN_OUTPUT")


def _no_range(content_range: str) -> Problem:
    headers = {"Content-Range": content_range} if content_range else {}
    return Problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "the file has no such range", headers=headers)


def _headers(job: Job, file: OutputFile) -> dict[str, str]:
    return {
        "Content-Disposition": f'attachment; filename="{job.job_id}-{file.file_name}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-cache",
        "X-Content-Type-Options": "nosniff",
    }


def _in_range(request: Request, content: bytes, media_type: str, headers: Mapping[str, str]) -> Response:
    """A text of the record: one range of it, or all."""
    headers = {**headers, "Accept-Ranges": "bytes"}
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if not match or (not match[1] and not match[2]) or "If-Range" in request.headers:
        return Response(content, media_type=media_type, headers=headers)
    size = len(content)
    first = int(match[1]) if match[1] else max(0, size - int(match[2]))
    last = min(int(match[2]), size - 1) if match[1] and match[2] else size - 1
    if first > last:
        raise _no_range(f"bytes */{size}")
    headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    part = content[first : last + 1]
    return Response(part, HTTPStatus.PARTIAL_CONTENT, media_type=media_type, headers=headers)


async def _copy(stored: StoredObject, outbox: Outbox) -> None:
    async for piece in stored.pieces:
        await outbox.put(piece, live=False)
