"""Kubernetes as the use cases see it: Cluster, and beside it Reviews, Leader and StepOutput."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from service.domain.rollout_progress import StepNotes
from service.jobs.ports import WorkflowEvent
from service.kube import client, step_notes, stuck_pods
from service.kube.check_objects import CheckObjects
from service.kube.client import Api, KubeSettings
from service.kube.event_objects import EventObjects
from service.kube.freeze_object import FreezeObject
from service.kube.inventory import Inventory
from service.kube.leader import KubeLeader
from service.kube.node_census import NodeCensusTaker
from service.kube.node_locks import NodeLocks
from service.kube.reviews import KubeReviews
from service.kube.step_logs import StepLogs
from service.kube.watch import WorkflowWatch
from service.kube.workflows import Workflows
from workflow_templates.protocol import labels

#: Logs that are read at one time.
STREAMS = 1_000


class Kube(Inventory, Workflows, CheckObjects, NodeLocks, NodeCensusTaker, FreezeObject, EventObjects):
    """Fills the port Cluster; the others stand beside it."""

    def __init__(self, api: Api, settings: KubeSettings, streams: Api | None = None) -> None:
        """`streams`: a client for what lasts, whose connections nothing else waits for."""
        super().__init__(api, settings)
        self.output = StepLogs(api, streams or api, settings)
        self.reviews = KubeReviews(api, settings)
        self.leader = KubeLeader(api, settings)

    def now(self) -> datetime:
        return self._api.now()

    async def ping(self) -> None:
        await self._api.get("/version")

    async def step_notes(self, job_id: str) -> StepNotes:
        return await step_notes.read(self._api, self._settings, job_id)

    async def end_stuck_pods(self, not_ready_seconds: int) -> Mapping[str, str]:
        return await stuck_pods.end_stuck_pods(self._api, self._settings, not_ready_seconds)

    def watch_workflows(self) -> AsyncIterator[WorkflowEvent]:
        return WorkflowWatch(self._api, self.workflows_path, labels.JOB_ID).events()


@contextlib.asynccontextmanager
async def connect(settings: KubeSettings) -> AsyncIterator[Kube]:
    """Kubernetes, until the block ends. It need not answer yet: only its configuration must be there.

    Raises:
        UnavailableError: there is neither a ServiceAccount nor a usable kubeconfig.
    """
    api = await client.connect(settings)
    streams = await client.connect(settings, STREAMS)
    kube = Kube(api, settings, streams)
    try:
        yield kube
    finally:
        await kube.close()
        await api.close()
        await streams.close()
