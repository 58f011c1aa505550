"""Who is told what happens to jobs (chart: notifications.receivers)."""

from enum import StrEnum

from pydantic import BaseModel

from service.domain.job import Job, JobType, Phase


class Kind(StrEnum):
    """What a notification is about."""

    CREATED = "created"
    STARTED = "started"
    GATE = "gate"
    PAUSED = "paused"
    NODE_FAILED = "nodeFailed"
    ENDED = "ended"
    LEFT_CORDONED = "leftCordoned"
    WAITS = "waits"


class Format(StrEnum):
    """The body that it is sent."""

    SLACK = "slack"
    TEAMS = "teams"
    JSON = "json"


class Receiver(BaseModel, frozen=True):
    """One of the chart's receivers. Where it is, and what its messages are signed with, is in a Secret."""

    name: str
    format: Format = Format.JSON
    events: frozenset[Kind] = frozenset(Kind)
    #: Empty: all.
    types: frozenset[JobType] = frozenset()
    #: Phases in which jobs ended; empty: both.
    phases: frozenset[Phase] = frozenset()
    #: Workspaces of jobs; empty: all jobs, those without a workspace too.
    workspaces: frozenset[str] = frozenset()
    #: How long a job waits before that is told, in seconds.
    wait_seconds: int = 3600
    #: Whether an http:// address may be one.
    plain_http: bool = False

    def wants(self, kind: Kind, job: Job) -> bool:
        return (
            kind in self.events
            and (not self.types or job.type in self.types)
            and (not self.workspaces or job.workspace_id in self.workspaces)
            and (kind is not Kind.ENDED or not self.phases or job.phase in self.phases)
        )
