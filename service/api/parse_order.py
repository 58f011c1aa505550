"""From a request's body to an order, or to everything that is wrong with how it is filled in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from service.api.request_bodies import ALL_FIELDS, MODELS, JobRequest, MaskedValueError, fields
from service.api.spellings import OTHER_SPELLINGS, Spelled, spelled
from service.domain.job import JobType, Named
from service.domain.request_faults import MAX_FAULTS, Fault, FaultCode, RefusedError, cut, shown
from service.jobs.order import Order

#: What stands in for required fields that are missing or faulty, while the rest of the order is looked at.
_STAND_INS = {"name": "faulty", "image": "faulty", "entryPoint": "faulty"}


@dataclass(frozen=True, slots=True)
class Form:
    """What was read of a body. With faults the order is incomplete: it is there to find what else is wrong.

    `order` None: not even its type and inputs are known.
    """

    order: Order | None
    faults: tuple[Fault, ...] = ()


def form(body: Mapping[str, Any]) -> Form:
    """The order that a request body places, with every fault of the body's form at once, each with its path."""
    kind = body.get("type")
    known = isinstance(kind, str) and kind in list(JobType)
    model = MODELS[JobType(str(kind))] if known else JobRequest
    # While the type is unknown, so is which fields are another type's.
    request = spelled(_thinned(body), fields(model))
    try:
        order = _order(model.model_validate(request.body))
    except ValidationError as error:
        # Values that were sent are in it: bounded, and never shown but by `shown`.
        found = error.errors(include_url=False)
        stated = islice(_faults(found, request, str(kind) if known else ""), MAX_FAULTS + 1)
        faulty = {str(item["loc"][0]) for item in found if item["loc"]}
        return Form(_incomplete(model, request.body, faulty), (*request.faults, *stated))
    return Form(order, request.faults)


Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], content: Mapping[str, Any]) -> Model:
    """The body of a call that takes only this model.

    Raises:
        RefusedError: with every fault of its form.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        as_sent = Spelled(dict(content), (), {})
        found = islice(error.errors(include_url=False), MAX_FAULTS + 1)
        raise RefusedError(
            _unknown(one, as_sent) if one["type"] == "extra_forbidden" else _fault(one, as_sent) for one in found
        ) from error


def _thinned(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without most of the unknown fields: each takes time, and no more of them are named."""
    strange = [name for name in body if name not in ALL_FIELDS and name not in OTHER_SPELLINGS]
    left_out = set(strange[MAX_FAULTS + 1 :])
    return {name: value for name, value in body.items() if name not in left_out} if left_out else body


def _incomplete(model: type[JobRequest], body: Mapping[str, Any], faulty: set[str]) -> Order | None:
    """The rest of an order without its faulty fields; None where these say its type or which nodes it means."""
    if faulty & {"type", "inputs"}:
        return None
    known = {name: value for name, value in body.items() if name in fields(model) and name not in faulty}
    missing = {name: text for name, text in _STAND_INS.items() if name in fields(model) and name not in known}
    try:
        return _order(model.model_validate({**missing, **known}), without=frozenset(missing))
    except ValidationError:
        return None


def _order(request: JobRequest, without: frozenset[str] = frozenset()) -> Order:
    common = {"name", "type", "inputs", "timeout_second"}
    options = request.model_dump(by_alias=True, exclude=common, exclude_none=True)
    return Order(
        name=request.name,
        type=request.type,
        inputs=tuple(Named(item.name, item.value) for item in request.inputs),
        timeout_second=request.timeout_second,
        options={name: value for name, value in options.items() if name not in without},
        complete=not without,
    )


def _faults(errors: Any, request: Spelled, kind: str) -> Iterator[Fault]:
    for error in errors:
        if error["type"] != "extra_forbidden":
            yield _fault(error, request)
        elif len(error["loc"]) > 1:
            yield _unknown(error, request)
        elif owners := _owners(error["loc"][0]):
            if kind:
                message = f"is only for {', '.join(owners)}, not for {kind}{_sent(error)}"
                yield Fault(_path(error["loc"], request), message, FaultCode.FIELD_OF_ANOTHER_TYPE)
        else:
            yield _unknown(error, request)


def _owners(field: str) -> list[str]:
    """The job types that have the field."""
    name = "resource" if field == "replica" else field
    return [str(owner) for owner, model in MODELS.items() if name in fields(model)]


def _unknown(error: Any, request: Spelled) -> Fault:
    message = f"is not a field of this request (fields are spelled exactly as in the API document){_sent(error)}"
    return Fault(_path(error["loc"], request), message, FaultCode.UNKNOWN_FIELD)


def _fault(error: Any, request: Spelled) -> Fault:
    path, message, code = _path(error["loc"], request), "", FaultCode.INVALID_VALUE
    match error["type"]:
        case "missing":
            return Fault(path, "is required", FaultCode.MISSING_FIELD)
        case _ if path == "type":
            message = f"must be one of {', '.join(JobType)}"
        case "literal_error" | "enum":
            message = f"must be one of {error['ctx']['expected']}"
        case "too_long":
            return Fault(path, f"has more than {error['ctx']['max_length']} items", FaultCode.LIMIT_EXCEEDED)
        case "value_error":
            message = str(error["ctx"]["error"])
            if isinstance(error["ctx"]["error"], MaskedValueError):
                code = FaultCode.MASKED_VALUE
        case _:
            message = error["msg"][0].lower() + error["msg"][1:]
    return Fault(path, f"{message}{_sent(error)}", code)


def _sent(error: Any) -> str:
    """What was sent, as a fault ends; never a value of env."""
    value = error["input"]
    if error["loc"][0] == "env":
        return ""
    match value:
        case None | bool() | int() | str() | Decimal():
            return f"; {shown(value)} was sent"
        case list() | dict() if error["type"] != "value_error":
            return f"; {'a list' if isinstance(value, list) else 'an object'} was sent"
        case _:
            return ""


def _path(location: tuple[Any, ...], request: Spelled) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{cut(part)}" if path else cut(str(part))
    return request.sent_as.get(path, path)
