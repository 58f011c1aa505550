"""Nodes are lent: one Lease per node, and a mark on a node that a job has cordoned (design rule 5)."""

from service.kube import nodes
from service.kube.client import Api, ConflictError, KubeSettings, Object

CORDONED_BY = "opsjob.io/cordoned-by"
CORDONED_BEFORE = "opsjob.io/cordoned-before"
LEASE_PREFIX = "node-"


class LentNodes:
    def __init__(self, api: Api, settings: KubeSettings) -> None:
        self._api = api
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{settings.jobs_namespace}/leases"

    async def holders(self) -> dict[str, str]:
        """Node → the job its cordon mark names, or else the holder of its Lease.

        The two differ only where an ended job left its mark and another job has the Lease since: the mark is what
        has to be put back, and the Lease is looked at again once it is.
        """
        holders = {}
        async for lease in self._api.list(self._leases):
            name, holder = lease["metadata"]["name"], lease.get("spec", {}).get("holderIdentity")
            if name.startswith(LEASE_PREFIX) and holder:
                holders[name.removeprefix(LEASE_PREFIX)] = holder
        async for node in self._api.list(nodes.PATH, metadata=True):
            if marked_by := node["metadata"].get("annotations", {}).get(CORDONED_BY):
                holders[node["metadata"]["name"]] = marked_by
        return holders

    async def restore(self, node: str, job_id: str) -> None:
        """The cordon first: whoever gets the Lease next must find the node as it was."""
        await self._api.change(f"{nodes.PATH}/{node}", lambda item: uncordoning(item, job_id))
        await self._free(f"{self._leases}/{LEASE_PREFIX}{node}", job_id)

    async def _free(self, path: str, job_id: str) -> None:
        lease = await self._api.get(path)
        if not lease or lease.get("spec", {}).get("holderIdentity") != job_id:
            return
        exactly = {key: lease["metadata"][key] for key in ("uid", "resourceVersion")}
        try:
            await self._api.delete(path, {"preconditions": exactly})
        except ConflictError:
            return  # it changed hands in between


def uncordoning(node: Object, job_id: str) -> Object | None:
    """The patch that puts a node's cordon back to what it was before this job; None: the mark is not this job's."""
    annotations = node["metadata"].get("annotations", {})
    if annotations.get(CORDONED_BY) != job_id:
        return None
    return {
        "metadata": {"annotations": {CORDONED_BY: None, CORDONED_BEFORE: None}},
        "spec": {"unschedulable": True if annotations.get(CORDONED_BEFORE) == "true" else None},
    }
