"""The body of POST /api/v1/opsjobs, one model per job type (opsjob-api.md; contract: Requests)."""

import posixpath
import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    WithJsonSchema,
)

from service.api.problems import refused
from service.domain.faults import Fault
from service.domain.job import JobType, Named
from service.domain.quantities import quantity_fault
from service.jobs.order import Order

SCOPES = ("node", "workload", "workspace", "cluster")
#: The API spells durations in whole seconds; more than 68 years is a mistake, and Argo's int64 is far away.
INT32 = 2**31 - 1

#: How the fault of a field begins that another job type has.
ELSEWHERE = "is only for"

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")


def _holds_a_letter_or_digit(name: str) -> str:
    if not any(character.isalnum() for character in name):
        raise ValueError("must hold at least one letter or digit")
    return name


def _is_normal_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} must be absolute")
    # POSIX gives a path with two leading slashes a meaning of its own, so normpath keeps them.
    normal = "/" + posixpath.normpath(path).lstrip("/")
    if path != normal:
        raise ValueError(f"{path!r} must be normalized, like {normal!r}")
    return path


def _is_env_name(name: str) -> str:
    if not _ENV_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name for an environment variable")
    return name


def _is_number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError("must be a number")  # noqa: TRY004  # pydantic turns a ValueError into a fault
    return value


def _is_quantity(value: str) -> str:
    if fault := quantity_fault(value):
        raise ValueError(fault)
    return value


Text = Annotated[StrictStr, Field(min_length=1, max_length=253)]
Seconds = Annotated[StrictInt, Field(ge=-INT32, le=INT32)]
Quantity = Annotated[StrictStr, AfterValidator(_is_quantity)]
Ratio = Annotated[
    Decimal,
    Field(gt=0, le=1, max_digits=30),
    BeforeValidator(_is_number),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Input(Strict):
    name: Literal["node", "addon.template", "workload", "workspace", "cluster", "node.template"]
    value: Text


def _names_a_scope(inputs: list[Input]) -> list[Input]:
    if not any(item.name in SCOPES for item in inputs):
        raise ValueError(f"at least one of {', '.join(SCOPES)} must say which nodes are meant")
    return inputs


def _names_a_workload(inputs: list[Input]) -> list[Input]:
    if not any(item.name == "workload" for item in inputs):
        raise ValueError("must name a workload")
    return inputs


def _names_a_template(inputs: list[Input]) -> list[Input]:
    if not any(item.name in ("addon.template", "node.template") for item in inputs):
        raise ValueError("must name what to run: an addon.template or a node.template")
    return inputs


Inputs = Annotated[list[Input], Field(min_length=1, max_length=10_000)]
Scoped = Annotated[Inputs, AfterValidator(_names_a_scope)]
OfWorkload = Annotated[Inputs, AfterValidator(_names_a_workload)]


class JobRequest(Strict):
    """The fields of every job type."""

    name: Annotated[Text, AfterValidator(_holds_a_letter_or_digit)]
    type: JobType
    inputs: Scoped
    timeout_second: Seconds | None = Field(None, alias="timeoutSecond")
    ttl_seconds_after_finished: Seconds | None = Field(None, alias="ttlSecondsAfterFinished")
    excluded_nodes: list[Text] | None = Field(None, alias="excludedNodes", max_length=10_000)
    is_tolerate_all: StrictBool | None = Field(None, alias="isTolerateAll")


class AddonRequest(JobRequest):
    inputs: Annotated[Scoped, AfterValidator(_names_a_template)]
    batch_count: Annotated[StrictInt, Field(ge=1, le=INT32)] | None = Field(None, alias="batchCount")
    available_ratio: Ratio | None = Field(None, alias="availableRatio")
    security_upgrade: StrictBool | None = Field(None, alias="securityUpgrade")


class Resource(Strict):
    cpu: Quantity | None = None
    gpu: Quantity | None = None
    memory: Quantity | None = None
    ephemeral_storage: Quantity | None = Field(None, alias="ephemeralStorage")
    shared_memory: Quantity | None = Field(None, alias="sharedMemory")
    replica: Annotated[StrictInt, Field(ge=1, le=INT32)] | None = None


class PreflightRequest(JobRequest):
    image: Annotated[StrictStr, Field(min_length=1, max_length=1024, pattern=r"^\S+$")]
    entry_point: StrictStr = Field(alias="entryPoint")
    resource: Resource | None = None
    env: dict[Annotated[str, AfterValidator(_is_env_name)], StrictStr] | None = None
    hostpath: list[Annotated[Text, AfterValidator(_is_normal_path)]] | None = Field(None, max_length=100)


class DumplogRequest(JobRequest):
    inputs: OfWorkload


class RebootRequest(JobRequest):
    pass


class ExportimageRequest(JobRequest):
    inputs: OfWorkload


MODELS: dict[JobType, type[JobRequest]] = {
    JobType.ADDON: AddonRequest,
    JobType.PREFLIGHT: PreflightRequest,
    JobType.DUMPLOG: DumplogRequest,
    JobType.REBOOT: RebootRequest,
    JobType.EXPORTIMAGE: ExportimageRequest,
}


def order(body: dict[str, Any]) -> Order:
    """The order that a request body places.

    Raises:
        Problem: 400 with every fault of the body at once, each with its path.
    """
    body = dict(body)
    if "securityOperation" in body:  # contract: another spelling
        body.setdefault("securityUpgrade", body.pop("securityOperation"))
    kind = body.get("type")
    known = isinstance(kind, str) and kind in list(JobType)
    model = MODELS[JobType(str(kind))] if known else JobRequest
    try:
        request = model.model_validate(body)
    except ValidationError as error:
        faults = [_fault(item, kind) for item in error.errors()]
        # While the type is unknown nobody can say which fields are another type's.
        raise refused([fault for fault in faults if known or not fault.message.startswith(ELSEWHERE)]) from error
    return _order(request)


def _order(request: JobRequest) -> Order:
    common = {"name", "type", "inputs", "timeout_second"}
    return Order(
        name=request.name,
        type=request.type,
        inputs=tuple(Named(item.name, item.value) for item in request.inputs),
        timeout_second=request.timeout_second,
        options=request.model_dump(by_alias=True, exclude=common, exclude_none=True),
    )


def _fault(error: Any, kind: Any) -> Fault:
    path = _path(error["loc"])
    match error["type"]:
        case _ if path == "type":
            return Fault(path, f"must be one of {', '.join(JobType)}")
        case "extra_forbidden":
            return Fault(path, _stranger(error["loc"], kind))
        case "missing":
            return Fault(path, "is required")
        case "value_error":
            return Fault(path, str(error["ctx"]["error"]))
        case _:
            return Fault(path, error["msg"][0].lower() + error["msg"][1:])


def _stranger(location: tuple[Any, ...], kind: Any) -> str:
    if len(location) == 1:
        owners = [str(owner) for owner, model in MODELS.items() if location[0] in _names(model)]
        if owners:
            return f"{ELSEWHERE} {', '.join(owners)}, not for {kind}"
    return "is not a field of this request (fields are spelled exactly as in the API document)"


def _names(model: type[JobRequest]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _path(location: tuple[Any, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{part}" if path else str(part)
    return path
