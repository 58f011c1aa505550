"""From the bytes of a request to JSON that is safe to work with."""

import json
from collections.abc import Iterator
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from fastapi import Request

from service.api.problems import Problem, refused
from service.domain.faults import Fault


async def read(request: Request, most: int) -> bytes:
    """The body, never more than `most` bytes of it in memory (contract: 1 MiB, where the chart says nothing else).

    Raises:
        Problem: 413 when it is larger.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {most} bytes")
    return bytes(body)


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in the body; of a duplicate key the last wins, fractions stay exact decimals.

    Raises:
        Problem: 400 where it is no JSON object, or holds text that cannot be stored (NUL, half surrogates).
    """
    try:
        value = json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_refuse_constant)
        unstorable = list(_unstorable(value))
    except RecursionError as error:
        raise refused([Fault("", "the body is nested too deep")]) from error
    except ValueError as error:
        raise refused([Fault("", f"the body is not JSON: {error}")]) from error
    if not isinstance(value, dict):
        raise refused([Fault("", "the body must be a JSON object")])
    faults = [
        Fault(path, "holds a character that cannot be stored (NUL or half a surrogate pair)") for path in unstorable
    ]
    if faults:
        raise refused(faults)
    return value


def canonical(value: dict[str, Any]) -> bytes:
    """The same bytes for the same JSON, whatever the order of its keys and its white space."""
    return json.dumps(value, sort_keys=True, default=str).encode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _unstorable(value: Any, path: str = "") -> Iterator[str]:
    match value:
        case str():
            if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
                yield path or "/"
        case dict():
            for key, item in value.items():
                yield from _unstorable(key, path)
                yield from _unstorable(item, f"{path}.{key}" if path else key)
        case list():
            for index, item in enumerate(value):
                yield from _unstorable(item, f"{path}[{index}]")
