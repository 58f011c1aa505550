"""One line of what callers did, and what a list of such lines asks for (contract: GET /api/v1/audit)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from service.domain.job import Job, JobType


class Action(StrEnum):
    CREATE = "create"
    STOP = "stop"
    DELETE = "delete"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    ADVANCE = "advance"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"


class Outcome(StrEnum):
    """DONE: as it was asked. REFUSED: the request, or its caller, is not one for it. FAILED: the service could not."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """Who did what, when, from where, and what came of it. Empty: not known, or there is none."""

    at: datetime
    action: Action
    outcome: Outcome
    status: int
    cluster_id: str
    user_id: str = ""
    user_name: str = ""
    groups: tuple[str, ...] = ()
    source: str = ""
    request_id: str = ""
    job_id: str = ""
    job_name: str = ""
    type: str = ""
    workspace_id: str = ""
    #: How many nodes are planned.
    nodes: int = 0
    #: How many calls of that caller in that minute it stands for; the rest of it is that of the last.
    count: int = 1

    def about(self, job: Job) -> "AuditLine":
        """The line with the job that the call is about."""
        return replace(
            self,
            job_id=job.job_id,
            job_name=job.job_name,
            type=job.type.value,
            workspace_id=job.workspace_id,
            nodes=len(job.plan.nodes),
        )


@dataclass(slots=True)
class AuditEntry:
    """A line on its way into the store with the job that its call changes; `kept` once it is there."""

    line: AuditLine
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Both ends of since and until are included; the newest first where it is descending."""

    here: str
    since: datetime
    until: datetime
    offset: int = 0
    limit: int = 100
    descending: bool = True
    cluster_id: str | None = None
    workspace_id: str | None = None
    user_name: str | None = None  # case-insensitive substring
    job_name: str | None = None  # the same
    job_id: str | None = None
    #: Only calls about jobs whose plan holds the node of that name.
    node: str | None = None
    type: JobType | None = None
    action: Action | None = None
    outcome: Outcome | None = None
