"""What a list request may ask for, and what it returns."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from service.domain.job import JobType, Phase


class SortField(StrEnum):
    """Every scalar field of a list item (contract: sortBy)."""

    JOB_ID = "jobId"
    JOB_NAME = "jobName"
    CLUSTER_ID = "clusterId"
    WORKSPACE_ID = "workspaceId"
    USER_ID = "userId"
    USER_NAME = "userName"
    TYPE = "type"
    PHASE = "phase"
    CREATION_TIME = "creationTime"
    START_TIME = "startTime"
    END_TIME = "endTime"
    DELETION_TIME = "deletionTime"
    TIMEOUT_SECOND = "timeoutSecond"


@dataclass(frozen=True, slots=True)
class Visible:
    """Which jobs a caller may see: their own, and those of the (type, workspace) pairs they may list.

    `everywhere` lists types that may be seen whatever the workspace, and whatever the cluster: another cluster's users
    and workspaces may bear the names of ours.
    """

    user_id: str
    #: The cluster whose users and workspaces are meant.
    cluster_id: str
    everywhere: frozenset[JobType] = frozenset()
    workspaces: frozenset[tuple[JobType, str]] = frozenset()

    def includes(self, job_type: JobType, cluster_id: str, workspace_id: str, user_id: str) -> bool:
        """Whether a job of that type, there, and of that owner, is one of them."""
        if job_type in self.everywhere:
            return True
        is_own = user_id == self.user_id
        return cluster_id == self.cluster_id and (is_own or (job_type, workspace_id) in self.workspaces)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """One list request. Both ends of since and until are included; times are compared on creationTime in ms."""

    since: datetime
    until: datetime
    visible: Visible
    offset: int = 0
    limit: int = 100
    sort_by: SortField = SortField.CREATION_TIME
    descending: bool = True
    cluster_id: str | None = None
    workspace_id: str | None = None
    user_name: str | None = None  # case-insensitive substring, % and _ literal
    job_name: str | None = None  # the same
    phase: Phase | None = None
    type: JobType | None = None
    include_deleted: bool = False
    #: Only jobs whose plan holds the node of that name.
    node: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """totalCount of the whole filter and the page's items as ready JSON bytes, from one snapshot."""

    total: int
    items: list[bytes]
