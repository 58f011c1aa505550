"""The bodies of responses, as /openapi.json describes them; service/domain/job_representation.py fills them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from service.api.request_bodies import Topology
from service.domain.audit_line import Action, Outcome
from service.domain.job import JobType, NodePhase, Phase
from service.domain.job_rollout import PhaseState
from service.domain.request_faults import MAX_FAULTS, FaultCode

#: RFC 3339 in UTC, or empty.
Time = Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?$")]


class Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Created(Exact):
    job_id: Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")]


class Item(Exact):
    job_id: str
    job_name: str
    cluster_id: str
    workspace_id: str
    user_id: str
    user_name: str
    type: JobType
    phase: Phase
    creation_time: Time
    start_time: Time
    end_time: Time
    deletion_time: Time
    timeout_second: int


class Listed(Exact):
    total_count: Annotated[int, Field(ge=0)]
    items: list[Item]


class Condition(Exact):
    type: Phase
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    last_transition_time: Time


class NameAndValue(Exact):
    name: str
    value: str


class PlannedNode(Exact):
    name: str
    phase: NodePhase
    message: str
    start: Time
    end: Time


class ExcludedNode(Exact):
    name: str
    reason: str


class Plan(Exact):
    nodes: list[PlannedNode]
    excluded: list[ExcludedNode]


class PlannedPhase(Exact):
    phase: Annotated[int, Field(ge=1)]
    nodes: list[str]
    soak_seconds: int
    advance: Literal["auto", "manual"]


class Group(Exact):
    group: str
    nodes: list[str]


class Limits(Exact):
    max_unavailable: int = Field(1, ge=1, description="absent where the request has none: outages do not count")
    failure_limit: Annotated[int, Field(ge=0)]
    on_failure: Literal["stop", "pause"]
    topology: Topology | None = Field(None, description="as it was sent; absent where it was not")
    at_once: int = Field(ge=1, description="nodes of the job at work at a time")


class PlannedRollout(Limits):
    phases: list[PlannedPhase]
    groups: list[Group]
    out_of_service: Annotated[list[ExcludedNode], Field(description="planned nodes that are out of service now")]
    warnings: list[str]


class Phased(PlannedPhase):
    state: PhaseState
    start: Time
    soak_start: Time
    end: Time


class ShownRollout(Limits):
    paused: Annotated[str, Field(description="who paused it, and why; empty: no person did")]
    phases: list[Phased]


class Planned(Exact):
    plan: Plan
    plan_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="for ?expectedPlan of the real request")]
    rollout: PlannedRollout | None = Field(None, description="absent where the request has none")


class Detail(Item):
    conditions: Annotated[list[Condition], Field(min_length=1)]
    inputs: list[NameAndValue]
    outputs: list[NameAndValue]
    env: dict[str, str]
    is_tolerate_all: bool
    excluded_nodes: list[str]
    ttl_seconds_after_finished: int
    plan: Plan
    progress: Annotated[str, Field(pattern=r"^\d+/\d+$")]
    rollout: ShownRollout | None = Field(None, description="absent where the request had none")
    retry_of: str = Field("", description="the job of which this one is a retry; absent where it is none")
    links: dict[str, str] = Field({}, description="absent once the Workflow is gone")
    # addon
    batch_count: int = Field(1, description="addon")
    available_ratio: float = Field(1.0, description="addon")
    security_upgrade: bool = Field(default=False, description="addon")
    # preflight
    resource: dict[str, Any] = Field({}, description="preflight")
    image: str = Field("", description="preflight")
    entry_point: str = Field("", description="preflight")
    hostpath: list[str] = Field([], description="preflight")


class Right(Exact):
    """What may be done with jobs of a type: in the whole cluster, or in these workspaces."""

    verb: str
    type: JobType
    cluster: bool
    workspaces: list[str]


class WhoAmI(Exact):
    user_id: str
    user_name: str
    groups: list[str]
    rights: Annotated[list[Right], Field(description="only those that there are")]


class AddonTemplateItem(Exact):
    name: str
    description: str
    required: bool
    gpu_vendor: Annotated[str, Field(description="empty: for every node")]
    script: Annotated[str | None, Field(description="only for who may get addontemplates in Kubernetes")] = None
    check: Annotated[str | None, Field(description="as script")] = None


class AddonTemplates(Exact):
    items: list[AddonTemplateItem]


class NodeTemplateItem(Exact):
    name: str
    description: str
    addon_templates: Annotated[list[str], Field(description="in the order in which they run")]


class NodeTemplates(Exact):
    items: list[NodeTemplateItem]


class FreezeState(Exact):
    """While the cluster is frozen nothing new begins on any node; not frozen, the rest is empty."""

    frozen: bool
    by: str
    reason: str
    since: Time


class JobOnNode(Exact):
    """A job that was planned on a node; of one that the caller may not see only that it is "another job"."""

    job_id: str
    type: JobType | Literal[""]
    phase: Annotated[NodePhase | Literal[""], Field(description="the node's, in that job")]
    time: Annotated[Time, Field(description="when the node ended, or else began, or the job was created")]


class ListedNode(Exact):
    name: str
    workspace: Annotated[str, Field(description="the workspace that it is labelled for; empty: none")]
    labels: Annotated[dict[str, str], Field(description="those that the chart's nodes.labels names")]
    ready: bool
    cordoned: bool
    cordoned_by: Annotated[str, Field(description='a job\'s id, "another job" or "a person"; empty: it is not')]
    locked_by: Annotated[str, Field(description='a job\'s id, or "another job"; empty: none has locked it')]
    last_preflight: Annotated[JobOnNode | None, Field(description="absent where there is none")] = None
    last_job: Annotated[JobOnNode | None, Field(description="absent where there is none")] = None


class ListedNodes(Exact):
    total_count: Annotated[int, Field(ge=0)]
    items: list[ListedNode]


class AuditItem(Exact):
    """A call that changed something, or would have. Empty: not known, or there is none."""

    time: Time
    user_id: str
    user_name: str
    groups: Annotated[list[str], Field(description="the first of them")]
    source: Annotated[str, Field(description="the address that connected, or that a trusted proxy names")]
    action: Action
    outcome: Outcome
    status: Annotated[int, Field(description="HTTP's")]
    count: Annotated[
        int,
        Field(ge=1, description="calls of that minute that it stands for; the rest of it is of the last of them"),
    ]
    cluster_id: str
    job_id: str
    job_name: str
    type: JobType | Literal[""]
    workspace_id: str
    nodes: Annotated[int, Field(ge=0, description="how many are planned")]
    request_id: str


class AuditLines(Exact):
    total_count: Annotated[int, Field(ge=0)]
    items: list[AuditItem]


class ProblemFault(Exact):
    path: str
    message: str
    error_code: FaultCode


class Problem(Exact):
    """RFC 9457, with errorCode and errorMessage as extension members."""

    type: str
    title: str
    status: int
    detail: str
    error_code: Annotated[str, Field(pattern=r"^[A-Z_]+$")]
    error_message: str
    errors: list[ProblemFault] = Field(
        [], max_length=MAX_FAULTS, description="Every fault of the request, each with its path and kind."
    )
