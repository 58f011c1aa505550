"""From the bytes of a request to JSON that is safe to work with."""

import asyncio
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from http import HTTPStatus
from itertools import islice
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.api.problems import Problem, invalid, refused
from service.domain.request_faults import MAX_FAULTS, Fault, FaultCode, cut

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

#: Values in one body: a job of every input and excluded node that may be named has fewer, and each may be a fault.
MAX_VALUES = 30_000


async def read(request: Request, most: int, seconds: float) -> bytes:
    """The body, never more than `most` bytes of it in memory (contract: 1 MiB, where the chart says nothing else).

    Raises:
        Problem: 413 when it is larger, 408 when it is not here after so many seconds, 400 (to a client
            that is gone) when its connection ended.
    """
    if declared(request) > most:
        raise _too_large(most)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise _too_large(most)
    except ClientDisconnect as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "the connection ended before the body did") from error
    except TimeoutError as error:
        message = f"the body was not here after {seconds:g} s; send the request again"
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, message, headers={"Connection": "close"}) from error
    return bytes(body)


def declared(request: Request) -> int:
    """How long the body says it is; 0: it does not."""
    text = request.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0  # noqa: PLR2004 - as h11 takes it


def _too_large(most: int) -> Problem:
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {most} bytes")


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in the body; of a duplicate key the last wins, fractions stay exact decimals.

    Raises:
        Problem: 400 where it is no JSON object, or holds text that cannot be stored (NUL, half surrogates).
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant)
        if _count(value) > MAX_VALUES:
            raise invalid("", f"the body holds more than {MAX_VALUES} values", FaultCode.LIMIT_EXCEEDED)
        # In valid JSON such a character can only be an escape.
        unstorable = list(islice(_unstorable(value), MAX_FAULTS + 1)) if b"\\u" in body else []
    except RecursionError as error:
        raise invalid("", "the body is nested too deep", FaultCode.INVALID_JSON) from error
    except ValueError as error:
        raise invalid("", f"the body is not JSON: {cut(str(error), 300)}", FaultCode.INVALID_JSON) from error
    if not isinstance(value, dict):
        raise invalid("", "the body must be a JSON object", FaultCode.INVALID_JSON)
    if unstorable:
        message = "holds a character that cannot be stored (NUL or half a surrogate pair)"
        raise refused([Fault(path, message) for path in unstorable])
    return value


def _count(value: Any) -> int:
    """How many values there are in it, counted no further than needed."""
    found, rest = 0, [value]
    while rest and found <= MAX_VALUES:
        match rest.pop():
            case dict() as inner:
                found += len(inner)
                rest += inner.values()
            case list() as inner:
                found += len(inner)
                rest += inner
    return found


def canonical(value: dict[str, Any]) -> bytes:
    """The same bytes for the same JSON, whatever the order of its keys and its white space."""
    return json.dumps(value, sort_keys=True, default=str).encode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _unstorable(value: Any, path: str = "") -> Iterator[str]:
    match value:
        case str():
            if _UNSTORABLE.search(value):
                yield path or "/"
        case dict():
            for key, item in value.items():
                yield from _unstorable(key, path)
                yield from _unstorable(item, f"{path}.{key}" if path else key)
        case list():
            for index, item in enumerate(value):
                yield from _unstorable(item, f"{path}[{index}]")
