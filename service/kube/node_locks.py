"""Locks and cordon marks that outlived their job: one Lease per node, one mark per cordon (design rule 5).

Only here and in the job's own steps is a lock freed: no step takes over what does not say that its job is over.
"""

from collections.abc import Mapping

from service.kube import nodes
from service.kube.adapter import Adapter
from service.kube.cache import BriefCache
from service.kube.client import Api, ConflictError, KubeSettings, Object
from workflow_templates.protocol import cordon_patches, labels, node_lock, node_state
from workflow_templates.protocol.api_path import api_path, object_path

#: How old what is known of all locks may be, where it is only shown.
SECONDS = 3.0


class NodeLocks(Adapter):
    def __init__(self, api: Api, settings: KubeSettings) -> None:
        super().__init__(api, settings)
        self._leases = api_path("coordination.k8s.io/v1", "leases", namespace=settings.jobs_namespace)
        self._pods = api_path("v1", "pods", namespace=settings.jobs_namespace)
        self._recent_locks: BriefCache[Mapping[str, str]] = BriefCache(SECONDS, 1)

    async def holders(self) -> dict[str, str]:
        """Node → the job its cordon mark names, or else the job that has locked it.

        The two differ only where an ended job left its mark and another job has locked the node since: the mark is what
        has to be put back, and the lock is looked at again once it is.
        """
        holders = {}
        async for lock in self._api.list(self._leases):
            node, holder = node_lock.node_of(lock), node_lock.holder(lock)
            if node and holder:
                holders[node] = holder
        async for found in self._api.list(nodes.PATH, metadata=True):
            if marked_by := node_state.annotations(found).get(labels.CORDONED_BY):
                holders[found["metadata"]["name"]] = marked_by
        return holders

    async def node_locks(self) -> Mapping[str, str]:
        return await self._recent_locks.get("locks", self._node_locks)

    async def _node_locks(self) -> Mapping[str, str]:
        locks = [lock async for lock in self._api.list(self._leases)]
        held = {node_lock.node_of(lock): node_lock.holder(lock) for lock in locks}
        return {node: job_id for node, job_id in held.items() if node and job_id}

    async def rebooting(self) -> frozenset[str]:
        now = self._api.now()
        locks = [lock async for lock in self._api.list(self._leases)]
        told = {node_lock.node_of(lock) for lock in locks if node_lock.reboot_pending(lock, None, now)}
        return frozenset(node for node in told if node)

    async def leases(self) -> dict[str, str]:
        """Name → the job that has it, of the Leases that do not go with their job's Workflow.

        Those are node locks, and what else one job at a time has.
        """
        leases = [lock async for lock in self._api.list(self._leases) if not lock["metadata"].get("ownerReferences")]
        held = {lock["metadata"]["name"]: node_lock.holder(lock) for lock in leases}
        return {name: job_id for name, job_id in held.items() if job_id}

    async def free_lease(self, name: str, job_id: str) -> None:
        """Free it if this job, which is over, has it still; a node lock and the control plane's turn with the node."""
        lock = await self._api.get(object_path(self._leases, name))
        if not lock or node_lock.holder(lock) != job_id:
            return
        if node := node_lock.node_of(lock):
            await self.give_back_node(node, job_id)
            return
        of = node_lock.turn_of(lock) if name == node_lock.CONTROL_PLANE else ""
        if not of or not await self._lock(of, job_id):
            await self._free(lock)

    async def give_back_node(self, node: str, job_id: str, *, at_once: bool = False) -> str:
        """Put the node back to how it was before this job, which is over, and free its lock.

        Returns:
            Why the node stays locked for now, because the job's work on it goes on; empty: it is free, or another
            job's. With `at_once` that is not asked.
        """
        lock = await self._lock(node, job_id)
        found = await self._api.get(object_path(nodes.PATH, node))
        if lock and not at_once and (why := await self._unfinished(lock, node, found)):
            path = object_path(self._leases, node_lock.name(node))
            await self._api.change(path, lambda now: _noting_over(now, job_id))
            return why
        if found:
            await self._put_back(found, lock, job_id)
        if lock:
            await self._free_control_plane(node, job_id)
            await self._free(lock)
        return ""

    async def _lock(self, node: str, job_id: str) -> Object | None:
        lock = await self._api.get(object_path(self._leases, node_lock.name(node)))
        return lock if lock and node_lock.holder(lock) == job_id else None

    async def _unfinished(self, lock: Object, name: str, node: Object | None) -> str:
        if pending := node_lock.reboot_pending(lock, node, self._api.now()):
            return pending
        work = node_lock.work(lock)
        if not work:
            return ""
        of_job = {"labelSelector": labels.pods_of(work.job, labels.STEP_NODE), "fieldSelector": f"spec.nodeName={name}"}
        return node_lock.work_unfinished(lock, node, [pod async for pod in self._api.list(self._pods, of_job)])

    async def _put_back(self, node: Object, lock: Object | None, job_id: str) -> None:
        """The cordon before the lock: the next job must find the node as it was."""
        why = node_lock.not_back(lock, node, self._api.now()) if lock else ""
        note = cordon_patches.noted(lock) if lock else None

        def change(found: Object) -> Object | None:
            return (
                cordon_patches.leaving(found, job_id, why) if why else cordon_patches.giving_back(found, job_id, note)
            )

        await self._api.change(object_path(nodes.PATH, node["metadata"]["name"]), change)

    async def _free(self, lock: Object) -> None:
        """Exactly as it was read: what was noted at it since is looked at in the next round."""
        exactly = {key: lock["metadata"][key] for key in ("uid", "resourceVersion")}
        try:
            await self._api.delete(object_path(self._leases, lock["metadata"]["name"]), {"preconditions": exactly})
        except ConflictError:
            return

    async def _free_control_plane(self, node: str, job_id: str) -> None:
        """The one turn that there is to reboot a node of the control plane, if this was it."""
        turn = await self._api.get(object_path(self._leases, node_lock.CONTROL_PLANE))
        if turn and node_lock.holder(turn) == job_id and node_lock.turn_of(turn) == node:
            await self._free(turn)


def _noting_over(lock: Object, job_id: str) -> Object | None:
    return node_lock.noting_over(lock) if node_lock.holder(lock) == job_id else None
