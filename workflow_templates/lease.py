"""One Lease per node: two jobs never work on one node at a time (contract: the same nodes in two jobs)."""

from datetime import UTC, datetime

from workflow_templates.cluster import Cluster, ConflictError, Object

JOB_ID = "opsjob.io/job-id"

_COMPLETED = "workflows.argoproj.io/completed"


class HeldError(Exception):
    """Another job has the node; the message says which."""


def take(cluster: Cluster, node: str, job: str) -> None:
    """Hold the node for this job, or raise HeldError. What this job holds already stays held."""
    while True:
        try:
            _take(cluster, node, job)
        except ConflictError:
            continue  # somebody was quicker, or a repeated call of ours had gone through: look again
        return


def release(cluster: Cluster, node: str, job: str) -> None:
    """Free the node if this job holds it."""
    while True:
        lease = cluster.get(_path(cluster, node))
        if lease is None or _holder(lease) != job:
            return
        try:
            cluster.delete(lease, _path(cluster, node))
        except ConflictError:
            continue
        return


def _take(cluster: Cluster, node: str, job: str) -> None:
    lease = cluster.get(_path(cluster, node))
    if lease is None:
        cluster.create(_folder(cluster), _lease(node, job))
        return
    holder = _holder(lease)
    if holder == job:
        return
    if _at_work(cluster, holder):
        raise HeldError(f"node {node} is held by job {holder}")
    change: Object = {"metadata": {"labels": {JOB_ID: job}}, "spec": {"holderIdentity": job, "acquireTime": _now()}}
    cluster.patch(lease, _path(cluster, node), change)


def _at_work(cluster: Cluster, job: str) -> bool:
    """A Lease is free again when its holder's Workflow is gone or completed, whoever forgot to give it back."""
    if not job:
        return False
    workflow = cluster.get(f"/apis/argoproj.io/v1alpha1/namespaces/{cluster.namespace}/workflows/{job}")
    return workflow is not None and (workflow["metadata"].get("labels") or {}).get(_COMPLETED) != "true"


def _lease(node: str, job: str) -> Object:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"node-{node}", "labels": {JOB_ID: job}},
        "spec": {"holderIdentity": job, "acquireTime": _now()},
    }


def _holder(lease: Object) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _folder(cluster: Cluster) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{cluster.namespace}/leases"


def _path(cluster: Cluster, node: str) -> str:
    return f"{_folder(cluster)}/node-{node}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
