"""Responses that a client need not get again while they are the same (contract: Following a job)."""

import hashlib
from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse


def tagged(request: Request, content: Any) -> Response:
    """The content as JSON with the ETag of what this caller sees; 304 where the caller has just that already."""
    answer = JSONResponse(content)
    # The encoding of these bytes is always the same, so the tag is a strong one.
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if known_already(request, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    answer.headers.update(headers)
    return answer


def known_already(request: Request, tag: str) -> bool:
    """Whether If-None-Match names the tag; it compares weakly (RFC 9110, 13.1.2)."""
    fields = request.headers.getlist("If-None-Match")
    known = [item.strip().removeprefix("W/") for field in fields for item in field.split(",")]
    return tag.removeprefix("W/") in known or known == ["*"]
