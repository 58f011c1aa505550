"""What there is in the cluster: nodes, workspaces, workloads, pods, templates; some of it as it was seconds ago."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from service.domain.cluster_objects import AddonTemplate, Node, NodeTemplate, Pod, Workload, Workspace
from service.kube import addon_templates, nodes, pods, workloads, workspaces
from service.kube.adapter import Adapter
from service.kube.cache import BriefCache
from service.kube.client import Api, KubeSettings
from service.kube.node_watch import RecentNodes

#: Until a new workspace is known to those who ask for their rights, and a list of its jobs shows them.
WORKSPACES_SECONDS = 3.0
#: The same for a new template in a list of them; a job that runs one reads it as it is.
TEMPLATES_SECONDS = 3.0


class Inventory(Adapter):
    def __init__(self, api: Api, settings: KubeSettings) -> None:
        super().__init__(api, settings)
        self._nodes = RecentNodes(api)
        self._workspaces: BriefCache[Mapping[str, Workspace]] = BriefCache(WORKSPACES_SECONDS, 1)
        self._addon_templates: BriefCache[Sequence[AddonTemplate]] = BriefCache(TEMPLATES_SECONDS, 1)
        self._node_templates: BriefCache[Sequence[NodeTemplate]] = BriefCache(TEMPLATES_SECONDS, 1)

    async def nodes(self, names: Collection[str] | None = None) -> Sequence[Node]:
        return await nodes.nodes(self._api, names)

    async def recent_nodes(self) -> Sequence[Node]:
        return await self._nodes.all()

    async def close(self) -> None:
        """End what goes on in the background."""
        await self._nodes.close()

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

    async def out_of_service(self, job_id: str) -> frozenset[str]:
        return frozenset(node.name for node in await self.recent_nodes() if node.out_of_service(job_id))
