"""What the routes work with; main puts it together once."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from service.api.body_memory import BodyMemory
from service.api.caller_limit import CallerLimit
from service.api.open_streams import OpenStreams
from service.api.readiness import Readiness
from service.domain.cluster_objects import Caller
from service.domain.job import Job
from service.jobs.audit_trail import AuditRecorder
from service.jobs.job_followers import JobFollowers
from service.jobs.notification_queue import NotificationState
from service.jobs.permissions import Permissions
from service.jobs.ports import Cluster, Records, Reviews, StepOutput
from service.jobs.store_ports import StoredObjects
from service.jobs.submit import Submission
from service.jobs.workspace_namespaces import WorkspaceNamespaces


@dataclass(frozen=True, slots=True)
class Dependencies:
    records: Records
    cluster: Cluster
    reviews: Reviews
    submission: Submission
    workspace_namespaces: WorkspaceNamespaces
    output: StepOutput
    argo_ui_url: str
    jobs_namespace: str
    caller_limit: CallerLimit
    readiness: Readiness
    max_body_bytes: int
    body_memory: BodyMemory
    followers: JobFollowers
    audit_recorder: AuditRecorder
    #: The labels of nodes that every caller sees who sees the node.
    node_labels: frozenset[str] = frozenset()
    #: Seconds that a client has to send the body of a request.
    body_seconds: float = 30.0
    #: None: the service has no key of the object store.
    stored: StoredObjects | None = None
    notification_state: NotificationState | None = None
    streams: OpenStreams = field(default_factory=OpenStreams)
    #: What /metrics shows beside what the process measures of itself.
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    #: Held while a large body is looked through.
    reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    @property
    def permissions(self) -> Permissions:
        return Permissions(self.reviews, self.workspace_namespaces)

    async def may(self, who: Caller, verb: str, job: Job) -> bool:
        """Whether Kubernetes RBAC lets the caller do `verb` with that job, in its workspace or cluster-wide."""
        namespace = await self.namespace(job.workspace_id) if self.is_here(job) else None
        return await self.reviews.may(who, verb, job.type, namespace)

    def is_here(self, job: Job) -> bool:
        """Whether it is a job of this cluster: another's users and workspaces may bear the names of ours."""
        return job.cluster_id == self.submission.cluster_id

    def is_own(self, who: Caller, job: Job) -> bool:
        return job.user_id == who.user_id and self.is_here(job)

    async def namespace(self, workspace_id: str) -> str | None:
        """The namespace in which rights are asked; None: cluster-wide, as for a workspace that is gone."""
        return await self.workspace_namespaces.of(workspace_id) if workspace_id else None


def dependencies(request: Request) -> Dependencies:
    found: Dependencies = request.app.state.dependencies
    return found


Services = Annotated[Dependencies, Depends(dependencies)]
