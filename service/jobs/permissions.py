"""Who may create which jobs, and where: by Kubernetes RBAC, asked by the port Reviews (contract: Who may do what)."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.cluster_objects import Caller, Workspace
from service.domain.job import JobType
from service.domain.job_types.registry import traits_of
from service.domain.reach import Reach
from service.domain.request_faults import NotPermittedError
from service.domain.selection import Selection
from service.jobs.ports import Reviews
from service.jobs.workspace_namespaces import WorkspaceNamespaces


@dataclass(frozen=True, slots=True)
class Permissions:
    """Each method but `reach` returns nothing, or raises NotPermittedError, which names the right that is missing."""

    reviews: Reviews
    workspace_namespaces: WorkspaceNamespaces

    async def require_anything(self, who: Caller) -> None:
        """Let only those on who may create a job of some type somewhere."""
        workspaces = await self.workspace_namespaces.workspaces()
        if not await self.reviews.granted(who, "create", JobType, _namespaces(workspaces)):
            raise NotPermittedError(
                f"{who.user_name} may create no jobs: the right is create on opsjobs.opsjob.io/<type>"
            )

    async def reach(self, who: Caller, kind: JobType, *, fresh: bool = False) -> Reach:
        """Where the caller may create jobs of that type; `fresh`: also in workspaces that were made a moment ago.

        Raises:
            NotPermittedError: that is nowhere: nothing is resolved for them, which costs, and would show what there is.
        """
        workspaces = await self.workspace_namespaces.workspaces(fresh=fresh)
        # Of all types, as `require_anything` asks: hundreds of questions less where that was a moment ago.
        everything = await self.reviews.granted(who, "create", JobType, _namespaces(workspaces))
        granted = {grant for grant in everything if grant[0] == kind}
        if not granted:
            message = f"{who.user_name} may not create {kind} jobs: the right is create on opsjobs.opsjob.io/{kind}"
            raise NotPermittedError(message)
        within = {namespace for _, namespace in granted if namespace is not None}
        return Reach.of(workspaces, within, everywhere=(kind, None) in granted)

    async def require(self, who: Caller, kind: JobType, selection: Selection) -> None:
        """Let only those on who may create that type in the selection's workspace, or cluster-wide."""
        if not await self.reviews.may(who, "create", kind, selection.namespace or None):
            workspace = selection.workspace_id
            where = f"in workspace {workspace!r}" if workspace else "on nodes of no one workspace"
            right = f"the right is create on opsjobs.opsjob.io/{kind}"
            raise NotPermittedError(f"{who.user_name} may not create {kind} jobs {where}: {right}")
        if resource := traits_of(kind).reads:
            await self._require_own_right(who, kind, selection, resource)

    async def _require_own_right(self, who: Caller, kind: JobType, selection: Selection, resource: str) -> None:
        """No caller reads through a job what they may not read themselves (contract: dumplog and exportimage)."""
        for workload in selection.workloads:
            if not await self.reviews.may_get(who, workload.namespace, resource):
                raise NotPermittedError(
                    f"{who.user_name} may not get {resource} in namespace {workload.namespace!r}, "
                    f"which {kind} of workload {workload.name!r} needs"
                )


def _namespaces(workspaces: Sequence[Workspace]) -> list[str]:
    """Every namespace that claims one of the workspaces."""
    return [namespace for workspace in workspaces for namespace in workspace.namespaces]
