"""What a job is, for every other package."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from service.domain.job_rollout import JobRollout, Steering


class JobType(StrEnum):
    ADDON = "addon"
    PREFLIGHT = "preflight"
    DUMPLOG = "dumplog"
    REBOOT = "reboot"
    EXPORTIMAGE = "exportimage"


class Phase(StrEnum):
    """The four phases of the API document; the last two are final."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def final(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED)


class NodePhase(StrEnum):
    """Where one planned node stands. WAITING: busy or leased, nothing was touched. SKIPPED: never begun."""

    PENDING = "Pending"
    WAITING = "Waiting"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SKIPPED = "Skipped"

    @property
    def final(self) -> bool:
        return self in (NodePhase.SUCCEEDED, NodePhase.FAILED, NodePhase.SKIPPED)


@dataclass(frozen=True, slots=True)
class Named:
    """One of a job's inputs or outputs."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of a job's history (shape of metav1.Condition). Reasons: see domain/phase.py."""

    type: Phase
    reason: str
    message: str
    at: datetime
    status: str = "True"


@dataclass(frozen=True, slots=True)
class PlannedNode:
    name: str
    phase: NodePhase = NodePhase.PENDING
    message: str = ""
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExcludedNode:
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Which nodes a job works on, decided once at submission, and which it leaves out and why."""

    nodes: tuple[PlannedNode, ...] = ()
    excluded: tuple[ExcludedNode, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The record of one job: the truth that outlives its Workflow. All times are in UTC."""

    job_id: str
    job_name: str
    type: JobType
    cluster_id: str
    user_id: str
    user_name: str
    created: datetime
    workspace_id: str = ""
    #: Where the workspace was when the job was accepted; empty: it has none, or is of a release that noted none.
    workspace_namespace: str = ""
    timeout_second: int = 0
    phase: Phase = Phase.PENDING
    conditions: tuple[Condition, ...] = ()
    inputs: tuple[Named, ...] = ()
    outputs: tuple[Named, ...] = ()
    plan: Plan = field(default_factory=Plan)
    started: datetime | None = None
    ended: datetime | None = None
    #: When the Workflow went or the job was deleted, whichever came first.
    deletion_time: datetime | None = None
    #: Deleted by DELETE: gone from lists.
    hidden: bool = False
    stop_requested: datetime | None = None
    #: By whom the cluster is frozen, and why, while that keeps nodes of the job from beginning; empty: nothing does.
    frozen: str = ""
    #: The job of which this one takes the nodes that failed or were not begun; empty: it is none of that kind.
    retry_of: str = ""
    #: None: it goes over its nodes as before there were rollouts.
    rollout: JobRollout | None = None
    #: Of an addon or reboot job without a rollout; None: it has one, or its steps would not ask.
    steering: Steering | None = None
    #: The other fields of the request body by their API names, as validated (batchCount, env, resource, …).
    options: Mapping[str, Any] = field(default_factory=dict)
    #: What the Workflow is created from: {"parameters": {name: text}, "files": {file name: text}}.
    work: Mapping[str, Any] = field(default_factory=dict)
    #: The WorkflowTemplate that runs it.
    template: str = ""
    #: The Workflow that was seen; stale objects of another uid are dropped.
    workflow_uid: str = ""
    workflow_version: str = ""
    #: Why Kubernetes refuses the Workflow, or something it needs; empty: nothing is missing.
    refused: str = ""
    #: The Workflow is gone (TTL, delete): nothing is left to do in the cluster.
    workflow_gone: bool = False

    @property
    def steered(self) -> Steering | None:
        """What persons have said of it; None: it cannot be paused."""
        return self.rollout or self.steering


def rfc3339(moment: datetime | None) -> str:
    """A time as the API shows it: RFC 3339 in UTC with milliseconds and Z; empty where there is none."""
    if moment is None:
        return ""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
