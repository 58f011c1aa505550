"""Taking and releasing node locks (contract: the same nodes in two jobs), and noting at them what outlives a pod.

What else only one job at a time may touch is locked the same way, as another kind of thing.
"""

from collections.abc import Collection, Mapping

from workflow_templates import lock_queue, until_unfrozen
from workflow_templates.kubernetes_api import Cluster, ConflictError, Object
from workflow_templates.protocol import labels, node_lock, node_state

NODE = node_lock.PREFIX.removesuffix("-")


class HeldError(Exception):
    """Another job has it, or the cluster is frozen; the message says which, and what that job does if it is over."""


class WorkLeftError(HeldError):
    """A job that is over has it, and whether its scripts go on there is not known yet."""


class LostError(Exception):
    """The node is not locked by this job any more; the message names both."""


def take(  # noqa: PLR0913 - what, for whom, and how
    cluster: Cluster, name: str, job: str, kind: str = NODE, *, ends_work: bool = False, asks_freeze: bool = True
) -> None:
    """Lock the node for this job, or raise HeldError. What this job has locked stays locked.

    Args:
        cluster: The Kubernetes API.
        name: The node's, or that of a thing of another kind.
        job: Who takes it.
        kind: What it is.
        ends_work: The job reboots the node: scripts that a job before left there end by that. Until then they stay
            noted at the lock, for the reboot may be given up.
        asks_freeze: No node is locked anew while the cluster is frozen; without this the caller has asked.
    """
    while True:
        try:
            _take(cluster, f"{kind}-{name}", job, ends_work=ends_work, asks_freeze=asks_freeze and kind == NODE)
        except ConflictError:
            continue  # another job was quicker, or a repeated call of ours had gone through: look again
        return


def take_control_plane(cluster: Cluster, node: str, job: str) -> None:
    """One job at a time reboots nodes of the control plane. Raises HeldError: another does, and which node."""
    while True:
        try:
            _take_control_plane(cluster, node, job)
        except ConflictError:
            continue
        return


def release(cluster: Cluster, name: str, job: str, kind: str = NODE) -> None:
    """Free the node if this job has locked it."""
    _release(cluster, f"{kind}-{name}", job)


def release_control_plane(cluster: Cluster, job: str, node: str = "") -> None:
    """Let another node of the control plane be rebooted, if it was this job's turn, and of `node` where it is given."""
    if node:
        lease = cluster.get(f"{_folder(cluster)}/{node_lock.CONTROL_PLANE}")
        if lease is None or node_state.annotations(lease).get(labels.NODE) != node:
            return
    _release(cluster, node_lock.CONTROL_PLANE, job)


def own(cluster: Cluster, name: str, job: str) -> Object | None:
    """The node's Lease; None: this job has not locked it (any more)."""
    lock = cluster.get(path(cluster, name))
    return lock if lock and node_lock.holder(lock) == job else None


def note(cluster: Cluster, name: str, job: str, changes: Mapping[str, str | None]) -> None:
    """Write annotations of the node's Lease, None removes one.

    Raises:
        LostError: the node is not locked by this job.
    """
    while True:
        lock = own(cluster, name, job)
        if lock is None:
            raise LostError(f"node {name} is no longer locked by job {job}")
        try:
            cluster.patch(lock, path(cluster, name), {"metadata": {"annotations": dict(changes)}})
        except ConflictError:
            continue
        return


def note_over(cluster: Cluster, name: str, job: str) -> None:
    """Let another job take over what outlives this one: the clean-up of the job says so, which is its last step."""
    while (lock := own(cluster, name, job)) and (change := node_lock.noting_over(lock)):
        try:
            cluster.patch(lock, path(cluster, name), change)
        except ConflictError:
            continue
        return


def path(cluster: Cluster, name: str) -> str:
    return f"{_folder(cluster)}/{node_lock.name(name)}"


def held(cluster: Cluster, job: str) -> dict[str, Object]:
    """The Leases of the nodes that this job has locked, by node."""
    leases = cluster.list(_folder(cluster), labelSelector=f"{labels.JOB_ID}={job}")
    found = {node_lock.node_of(lease): lease for lease in leases if node_lock.holder(lease) == job}
    return {node: lease for node, lease in sorted(found.items(), key=str) if node}


def of_others(cluster: Cluster, nodes: Collection[str], job: str) -> list[str]:
    """Those of the nodes that another job has locked, whether or not it is over."""
    wanted = {node_lock.name(node): node for node in nodes}
    leases = cluster.list(_folder(cluster))
    return sorted(
        wanted[lease["metadata"]["name"]]
        for lease in leases
        if lease["metadata"]["name"] in wanted and node_lock.holder(lease) not in ("", job)
    )


def refuse_while_frozen(cluster: Cluster) -> None:
    """Raises HeldError: nothing new begins on any node; who said so, and why."""
    if freeze := until_unfrozen.read(cluster):
        raise HeldError(freeze.sentence)


def _take(cluster: Cluster, lease_name: str, job: str, *, ends_work: bool, asks_freeze: bool) -> None:
    path = f"{_folder(cluster)}/{lease_name}"
    lease = cluster.get(path)
    thing = lease_name.replace("-", " ", 1)
    if lease is None:
        _leave_to_others(cluster, lease_name, job)
        if asks_freeze:
            refuse_while_frozen(cluster)
        cluster.create(_folder(cluster), node_lock.new(lease_name, job, cluster.now()))
        return
    holder = node_lock.holder(lease)
    if holder == job:
        return
    if _at_work(cluster, holder):
        raise HeldError(f"{thing} is locked by job {holder}")
    pending, working = _unfinished(cluster, lease)
    if pending:
        raise HeldError(f"{thing} is locked by job {holder}, which is over: {pending}")
    if working and not ends_work:
        raise WorkLeftError(f"{thing} is locked by job {holder}, which is over: {working}")
    if holder and not node_lock.is_over(lease):
        raise HeldError(f"{thing} is locked by job {holder}, which is over: the service has not freed it yet")
    _leave_to_others(cluster, lease_name, job)
    if asks_freeze:
        refuse_while_frozen(cluster)
    kept = labels.WORK_BEGUN if working else ""
    cluster.patch(lease, path, node_lock.taking_over(lease, job, cluster.now(), but_for=kept))


def _leave_to_others(cluster: Cluster, lease_name: str, job: str) -> None:
    """Raises HeldError: a job that needs this node and others at once has waited longer than this one."""
    if not lease_name.startswith(node_lock.PREFIX):
        return
    node = lease_name.removeprefix(node_lock.PREFIX)
    if longer := lock_queue.job_ahead(cluster, node, job):
        raise HeldError(f"node {node} is left to job {longer}, which has waited for it and others longer")


def _unfinished(cluster: Cluster, lease: Object) -> tuple[str, str]:
    """What goes on under the lock of a job that is over: a reboot, scripts; each empty where there is none.

    Pods are not looked at: the job's clean-up and the service do, and free the lock then.
    """
    node = node_lock.node_of(lease)
    if not node or not node_state.annotations(lease):
        return "", ""
    found = cluster.get(f"/api/v1/nodes/{node}")
    pending = node_lock.reboot_pending(lease, found, cluster.now())
    return pending, node_lock.work_unfinished(lease, found, pods=None)


def _take_control_plane(cluster: Cluster, node: str, job: str) -> None:
    path, name = f"{_folder(cluster)}/{node_lock.CONTROL_PLANE}", node_lock.CONTROL_PLANE
    lease = cluster.get(path)
    note: Object = {"metadata": {"annotations": {labels.NODE: node}}}
    if lease is None:
        new = node_lock.new(name, job, cluster.now())
        cluster.create(_folder(cluster), {**new, "metadata": {**new["metadata"], **note["metadata"]}})
        return
    holder, theirs = node_lock.holder(lease), node_lock.turn_of(lease)
    if holder not in ("", job):  # of one that is over the service frees it, once it is done with the node
        raise HeldError(
            f"node {node} belongs to the control plane, of which one node at a time is rebooted, "
            f"and job {holder} is at node {theirs}"
        )
    if holder == job and theirs not in ("", node) and own(cluster, theirs, job):
        raise HeldError(
            f"node {node} belongs to the control plane, of which one node at a time is rebooted, and this job is at "
            f"node {theirs}"
        )
    change = node_lock.taking_over(lease, job, cluster.now())
    change["metadata"]["annotations"][labels.NODE] = node
    cluster.patch(lease, path, change)


def _release(cluster: Cluster, lease_name: str, job: str) -> None:
    path = f"{_folder(cluster)}/{lease_name}"
    while True:
        lease = cluster.get(path)
        if lease is None or node_lock.holder(lease) != job:
            return
        try:
            cluster.delete(lease, path)
        except ConflictError:
            continue
        return


def _at_work(cluster: Cluster, job: str) -> bool:
    """Whether a job goes on: its Workflow is there, and has not completed."""
    if not job:
        return False
    workflow = cluster.get(f"/apis/argoproj.io/v1alpha1/namespaces/{cluster.namespace}/workflows/{job}")
    return workflow is not None and (workflow["metadata"].get("labels") or {}).get(labels.ARGO_COMPLETED) != "true"


def _folder(cluster: Cluster) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{cluster.namespace}/leases"
