"""The body of POST /api/v1/opsjobs, one model per job type (opsjob-api.md; contract: Requests).

A message of a validator does not name the value: service/api/parse_order.py adds what was sent, where it may be shown.
"""

import posixpath
import re
from decimal import Decimal
from functools import partial
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
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from service.domain import label_selector
from service.domain.job import JobType
from service.domain.quantities import quantity_fault
from service.domain.rollout_plan import REST
from service.domain.secret_values import MASK
from service.domain.selection import SELECTOR
from service.domain.share import Share
from service.jobs.retry import Which

SCOPES = ("node", "workload", "workspace", "cluster", SELECTOR)
#: The API spells durations in whole seconds; more than 68 years is a mistake, and Argo's int64 is far away.
INT32 = 2**31 - 1
#: Environment of a check: how many variables, and the most of one: Linux starts no process with more than 128 KiB in a
#: variable, its name included.
MAX_VARIABLES = 1_000
MAX_VARIABLE_NAME = 253
MAX_VARIABLE_BYTES = 128 * 1024 - 256
#: Each is a turn of the Workflow's outer loop.
MAX_PHASES = 50

#: Shells drop other names: the check would never see the variable (contract: preflight needs).
_ENV_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_VARIABLE_NAME - 1}}}")


class MaskedValueError(ValueError):
    """The value of a variable is what GET shows in a secret's place."""


def _holds_a_letter_or_digit(name: str) -> str:
    if not any(character.isalnum() for character in name):
        raise ValueError("must hold at least one letter or digit")
    return name


def _is_normal_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be absolute")
    # POSIX gives a path with two leading slashes a meaning of its own, so normpath keeps them.
    normal = "/" + posixpath.normpath(path).lstrip("/")
    if path != normal:
        raise ValueError(f"must be normalized, like {normal!r}")
    return path


def _is_env_name(name: str) -> str:
    if not _ENV_NAME.fullmatch(name):
        raise ValueError(
            "is no name for an environment variable: letters, digits and _, no digit first, "
            f"{MAX_VARIABLE_NAME} characters at most (shells drop others)"
        )
    return name


def _is_env_value(value: str) -> str:
    if value == MASK:
        raise MaskedValueError(f"{MASK} is what GET shows in a secret's place: send the value, or leave it out")
    if len(value.encode()) > MAX_VARIABLE_BYTES:
        raise ValueError(f"is longer than {MAX_VARIABLE_BYTES} bytes: Linux starts no process with more in a variable")
    return value


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
EnvName = Annotated[
    str,
    AfterValidator(_is_env_name),
    WithJsonSchema({"type": "string", "pattern": f"^{_ENV_NAME.pattern}$"}),
]
EnvValue = Annotated[StrictStr, AfterValidator(_is_env_value)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Input(Strict):
    name: Literal["node", "addon.template", "workload", "workspace", "cluster", "node.template", "node.selector"]
    value: Text

    @field_validator("value")
    @classmethod
    def _is_a_selector(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("name") == SELECTOR:
            label_selector.parse(value)
        return value


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


def _share(least: int, value: Any) -> Any:
    if value is not None:
        Share.of(value, least=least)
    return value


def _described(least: int, *words: str) -> WithJsonSchema:
    percent = {"type": "string", "pattern": f"^({'' if least else '0|'}[1-9][0-9]?|100)%$"}
    either = [{"type": "integer", "minimum": least, "maximum": INT32}, percent, {"type": "null"}]
    return WithJsonSchema({"anyOf": [*either, {"enum": list(words)}] if words else either})


def _phase_nodes(value: Any) -> Any:
    if value in (None, REST):
        return value
    try:
        Share.of(value, least=1)
    except ValueError as error:
        raise ValueError(f'{error}, or "{REST}"') from None
    return value


class RolloutPhase(Strict):
    nodes: Annotated[Any, AfterValidator(_phase_nodes), _described(1, REST)] = None
    soak_seconds: Annotated[StrictInt, Field(ge=0, le=INT32)] = Field(0, alias="soakSeconds", description="default: 0")
    advance: Literal["auto", "manual"] = Field("auto", description="default: auto")


class Topology(Strict):
    """Nodes of one value of the label: so many of them at a time, or all of them together."""

    label: Text
    max_per_group: Annotated[StrictInt, Field(ge=1, le=INT32)] | None = Field(None, alias="maxPerGroup")
    together: StrictBool | None = None

    @field_validator("label")
    @classmethod
    def _is_a_key(cls, label: str) -> str:
        if not label_selector.is_key(label):
            raise ValueError("is no key of a label")
        return label


def _says_one_thing(topology: Topology) -> Topology:
    if (topology.max_per_group is None) is not bool(topology.together):
        raise ValueError("must say either how many nodes of a group at a time (maxPerGroup) or together: true")
    return topology


def _only_the_last_takes_the_rest(phases: list[RolloutPhase]) -> list[RolloutPhase]:
    for index, phase in enumerate(phases[:-1]):
        if phase.nodes in (None, REST):
            what = "is missing" if phase.nodes is None else f'is "{REST}"'
            raise ValueError(f"only the last phase may take the rest of the nodes: [{index}].nodes {what}")
    return phases


class Rollout(Strict):
    """How a job goes over its nodes (contract: Rollouts)."""

    max_unavailable: Annotated[Any, AfterValidator(partial(_share, 1)), _described(1)] = Field(
        None, alias="maxUnavailable"
    )
    failure_limit: Annotated[Any, AfterValidator(partial(_share, 0)), _described(0)] = Field(None, alias="failureLimit")
    on_failure: Literal["stop", "pause"] = Field("stop", alias="onFailure", description="default: stop")
    phases: (
        Annotated[
            list[RolloutPhase],
            Field(min_length=1, max_length=MAX_PHASES),
            AfterValidator(_only_the_last_takes_the_rest),
        ]
        | None
    ) = None
    topology: Annotated[Topology, AfterValidator(_says_one_thing)] | None = None


class AddonRequest(JobRequest):
    type: Literal[JobType.ADDON]
    inputs: Annotated[Scoped, AfterValidator(_names_a_template)]
    batch_count: Annotated[StrictInt, Field(ge=1, le=INT32)] | None = Field(None, alias="batchCount")
    available_ratio: Ratio | None = Field(None, alias="availableRatio")
    security_upgrade: StrictBool | None = Field(None, alias="securityUpgrade")
    rollout: Rollout | None = None


class Resource(Strict):
    """What a check asks for; 0 of what service/api/spellings.py knows as absent never comes here."""

    cpu: Quantity | None = None
    gpu: Quantity | None = None
    memory: Quantity | None = None
    ephemeral_storage: Quantity | None = Field(None, alias="ephemeralStorage")
    shared_memory: Quantity | None = Field(None, alias="sharedMemory")
    replica: Annotated[StrictInt, Field(ge=0, le=INT32)] | None = None


class PreflightRequest(JobRequest):
    type: Literal[JobType.PREFLIGHT]
    image: Annotated[StrictStr, Field(min_length=1, max_length=1024, pattern=r"^\S+$")]
    entry_point: StrictStr = Field(alias="entryPoint")
    resource: Resource | None = None
    env: Annotated[dict[EnvName, EnvValue], Field(max_length=MAX_VARIABLES)] | None = None
    hostpath: list[Annotated[Text, AfterValidator(_is_normal_path)]] | None = Field(None, max_length=100)


class RetryRequest(Strict):
    """The body of POST …/{jobId}/retry; it may be left out."""

    which: Which = Field(Which.BOTH, description="default: both")


class PauseRequest(Strict):
    """The body of POST …/{jobId}/pause; it may be left out."""

    reason: Annotated[StrictStr, Field(max_length=253)] | None = None


class AdvanceRequest(Strict):
    """The body of POST …/{jobId}/advance; it may be left out."""

    expected_phase: Annotated[StrictInt, Field(ge=1, le=INT32)] | None = Field(None, alias="expectedPhase")


class ResumeRequest(Strict):
    """The body of POST …/{jobId}/resume, which has no field."""


class DumplogRequest(JobRequest):
    type: Literal[JobType.DUMPLOG]
    inputs: OfWorkload


class RebootRequest(JobRequest):
    type: Literal[JobType.REBOOT]
    rollout: Rollout | None = None


class ExportimageRequest(JobRequest):
    type: Literal[JobType.EXPORTIMAGE]
    inputs: OfWorkload


MODELS: dict[JobType, type[JobRequest]] = {
    JobType.ADDON: AddonRequest,
    JobType.PREFLIGHT: PreflightRequest,
    JobType.DUMPLOG: DumplogRequest,
    JobType.REBOOT: RebootRequest,
    JobType.EXPORTIMAGE: ExportimageRequest,
}


def fields(model: type[JobRequest]) -> frozenset[str]:
    """The names of a model's fields, as they are spelled in a body."""
    return frozenset(field.alias or name for name, field in model.model_fields.items())


#: Every field that some job type has.
ALL_FIELDS = frozenset().union(*map(fields, MODELS.values()))


class FreezeRequest(Strict):
    """The body of PUT /api/v1/freeze."""

    #: It stands in the history of every job that waits.
    reason: Annotated[StrictStr, Field(max_length=500, pattern=r"\S")]
