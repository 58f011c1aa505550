"""Kubernetes as the use cases see it: Cluster, Reviews and Leader over one client."""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from service.domain.cluster_objects import AddonTemplate, Caller, Node, NodeTemplate, Pod, Workload, Workspace
from service.domain.job import Job
from service.domain.rollout_progress import StepNotes
from service.jobs.ports import WorkflowEvent
from service.kube import (
    addon_templates,
    client,
    nodes,
    pods,
    step_notes,
    stuck_pods,
    workloads,
    workspaces,
)
from service.kube.cache import BriefCache
from service.kube.check_objects import CheckObjects
from service.kube.client import Api, KubeSettings
from service.kube.leader import KubeLeader
from service.kube.node_locks import NodeLocks
from service.kube.reviews import KubeReviews
from service.kube.watch import WorkflowWatch
from service.kube.workflows import Workflows
from workflow_templates.protocol import labels

#: Until a new workspace is known to those who ask for their rights, and a list of its jobs shows them.
WORKSPACES_SECONDS = 3.0
#: The same for a new template in a list of them; a job that runs one reads it as it is.
TEMPLATES_SECONDS = 3.0
#: How old what is known of all nodes may be, where it is only shown.
NODES_SECONDS = 10.0


class Kube:
    """Fills the ports of service/jobs; what each method means is said there."""

    def __init__(self, api: Api, settings: KubeSettings) -> None:
        self._api = api
        self._settings = settings
        self._workflows = Workflows(api, settings)
        self._checks = CheckObjects(api, settings)
        self._locks = NodeLocks(api, settings)
        self._reviews = KubeReviews(api, settings)
        self._leader = KubeLeader(api, settings)
        self._nodes: BriefCache[Sequence[Node]] = BriefCache(NODES_SECONDS, 1)
        self._workspaces: BriefCache[Mapping[str, Workspace]] = BriefCache(WORKSPACES_SECONDS, 1)
        self._addon_templates: BriefCache[Sequence[AddonTemplate]] = BriefCache(TEMPLATES_SECONDS, 1)
        self._node_templates: BriefCache[Sequence[NodeTemplate]] = BriefCache(TEMPLATES_SECONDS, 1)

    def now(self) -> datetime:
        return self._api.now()

    async def ping(self) -> None:
        await self._api.get("/version")

    async def nodes(self, names: Collection[str] | None = None) -> Sequence[Node]:
        return await nodes.nodes(self._api, names)

    async def workspace(self, workspace_id: str) -> Workspace | None:
        return await workspaces.workspace(self._api, self._settings.workspace_label, workspace_id)

    async def workspaces(self, *, fresh: bool = False) -> Mapping[str, Workspace]:
        label = self._settings.workspace_label
        if fresh:
            self._workspaces.keep(label, await workspaces.by_id(self._api, label))
        return await self._workspaces.get(label, lambda: workspaces.by_id(self._api, label))

    async def workloads(self, names: Iterable[str], within: Mapping[str, str]) -> Mapping[str, Sequence[Workload]]:
        return await workloads.workloads(self._api, self._settings, names, within)

    async def pod(self, namespace: str, name: str) -> Pod | None:
        return await pods.pod(self._api, namespace, name)

    async def addon_template(self, name: str) -> AddonTemplate | None:
        return await addon_templates.addon_template(self._api, name)

    async def node_template(self, name: str) -> Sequence[str] | None:
        return await addon_templates.node_template(self._api, name)

    async def addon_templates(self) -> Sequence[AddonTemplate]:
        return await self._addon_templates.get("all", lambda: addon_templates.addon_templates(self._api))

    async def node_templates(self) -> Sequence[NodeTemplate]:
        return await self._node_templates.get("all", lambda: addon_templates.node_templates(self._api))

    async def create_workflow(self, job: Job) -> None:
        await self._workflows.create(job)

    async def create_secret(self, job: Job, values: Mapping[str, str]) -> None:
        await self._checks.create_secret(job, values)

    async def unowned_secrets(self, older_than_seconds: int) -> Sequence[str]:
        return await self._checks.unowned_secrets(older_than_seconds)

    async def delete_secret(self, job_id: str) -> None:
        await self._checks.delete_secret(job_id)

    async def jobs_with_checks(self) -> Sequence[str]:
        return await self._checks.jobs()

    async def delete_checks(self, job_id: str) -> None:
        await self._checks.delete(job_id)

    async def workflow(self, job_id: str) -> Mapping[str, Any] | None:
        return await self._workflows.read(job_id)

    async def step_notes(self, job_id: str) -> StepNotes:
        return await step_notes.read(self._api, self._settings, job_id)

    async def out_of_service(self, job_id: str) -> frozenset[str]:
        every = await self._nodes.get("nodes", lambda: nodes.nodes(self._api))
        return frozenset(node.name for node in every if node.out_of_service(job_id))

    async def steer_workflow(self, job_id: str, annotations: Mapping[str, str | None]) -> None:
        await self._workflows.annotate(job_id, annotations)

    async def stop_workflow(self, job_id: str, *, by: str) -> None:
        await self._workflows.stop(job_id, by=by)

    async def time_out_workflow(self, job_id: str) -> None:
        await self._workflows.time_out(job_id)

    async def remind_argo(self, job_id: str, now: datetime) -> None:
        await self._workflows.remind_argo(job_id, now)

    async def delete_workflow(self, job_id: str) -> None:
        await self._workflows.delete(job_id)

    async def remove_finalizer(self, job_id: str) -> None:
        await self._workflows.remove_finalizer(job_id)

    def watch_workflows(self) -> AsyncIterator[WorkflowEvent]:
        return WorkflowWatch(self._api, self._workflows.path, labels.JOB_ID).events()

    async def holders(self) -> Mapping[str, str]:
        return await self._locks.holders()

    async def give_back_node(self, node: str, job_id: str) -> str:
        return await self._locks.give_back(node, job_id)

    async def leases(self) -> Mapping[str, str]:
        return await self._locks.leases()

    async def free_lease(self, name: str, job_id: str) -> None:
        await self._locks.free_lease(name, job_id)

    async def end_stuck_pods(self, not_ready_seconds: int) -> Mapping[str, str]:
        return await stuck_pods.end_stuck_pods(self._api, self._settings, not_ready_seconds)

    async def caller(self, token: str) -> Caller | None:
        return await self._reviews.caller(token)

    async def may(self, caller: Caller, verb: str, job_type: str, namespace: str | None) -> bool:
        return await self._reviews.may(caller, verb, job_type, namespace)

    async def granted(
        self, caller: Caller, verb: str, job_types: Iterable[str], namespaces: Iterable[str]
    ) -> frozenset[tuple[str, str | None]]:
        return await self._reviews.granted(caller, verb, job_types, namespaces)

    async def may_get(self, caller: Caller, namespace: str, resource: str) -> bool:
        return await self._reviews.may_get(caller, namespace, resource)

    async def may_get_templates(self, caller: Caller) -> bool:
        return await self._reviews.may_get_templates(caller)

    async def readable_nodes(self, caller: Caller, nodes: Iterable[str]) -> frozenset[str]:
        return await self._reviews.readable_nodes(caller, nodes)

    async def lead(self, work: Callable[[], Any]) -> None:
        await self._leader.lead(work)


@contextlib.asynccontextmanager
async def connect(settings: KubeSettings) -> AsyncIterator[Kube]:
    """Kubernetes, until the block ends. It need not answer yet: only its configuration must be there.

    Raises:
        UnavailableError: there is neither a ServiceAccount nor a usable kubeconfig.
    """
    api = await client.connect(settings)
    try:
        yield Kube(api, settings)
    finally:
        await api.close()
