"""In which namespace the rights to a workspace's jobs are asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from service.domain.cluster_objects import Workspace
from service.jobs.ports import Cluster, Records

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkspaceNamespaces:
    """The namespace with the workspace's label; where several have it, the one of before, as the records know it.

    So who labels a namespace of their own with another's workspace sees and stops none of its jobs.
    """

    cluster: Cluster
    records: Records
    cluster_id: str
    _warned: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def all(self) -> dict[str, str]:
        """Workspace id → namespace of every workspace of which that is known, a few seconds old at most."""
        known = {found.id: await self._home(found) for found in await self.workspaces()}
        return {workspace_id: namespace for workspace_id, namespace in known.items() if namespace}

    async def workspaces(self, *, fresh: bool = False) -> Sequence[Workspace]:
        """Every workspace, with each namespace that claims it; the log has those that several do."""
        found = list((await self.cluster.workspaces(fresh=fresh)).values())
        for workspace in found:
            if len(workspace.namespaces) > 1:
                self._warn(workspace)
        return found

    async def of(self, workspace_id: str) -> str | None:
        """None: there is no such workspace, or it is not known which namespace it is."""
        found = (await self.cluster.workspaces()).get(workspace_id) or await self.cluster.workspace(workspace_id)
        return (await self._home(found) or None) if found else None

    async def _home(self, workspace: Workspace) -> str:
        if len(workspace.namespaces) == 1:
            return workspace.namespaces[0]
        recorded = await self.records.namespace_of(self.cluster_id, workspace.id)
        return recorded if recorded in workspace.namespaces else ""

    def _warn(self, workspace: Workspace) -> None:
        """Once, until other namespaces claim it."""
        if self._warned.get(workspace.id) != workspace.namespaces:
            self._warned[workspace.id] = workspace.namespaces
            log.warning(
                "several namespaces claim one workspace: no new job is accepted there",
                workspace=workspace.id,
                namespaces=list(workspace.namespaces),
                remedy="take the workspace's label from all but one",
            )
