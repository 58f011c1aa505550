"""One Lease per node: two jobs never work on one node at a time (contract: the same nodes in two jobs).

What else only one job at a time may touch is lent the same way, as another kind of thing.
"""

from datetime import UTC, datetime

from workflow_templates.cluster import Cluster, ConflictError, Object

JOB_ID = "opsjob.io/job-id"

NODE = "node"

_COMPLETED = "workflows.argoproj.io/completed"


class HeldError(Exception):
    """Another job has it; the message says which."""


def take(cluster: Cluster, name: str, job: str, kind: str = NODE) -> None:
    """Hold the node for this job, or raise HeldError. What this job holds already stays held."""
    while True:
        try:
            _take(cluster, name, job, kind)
        except ConflictError:
            continue  # somebody was quicker, or a repeated call of ours had gone through: look again
        return


def release(cluster: Cluster, name: str, job: str, kind: str = NODE) -> None:
    """Free the node if this job holds it."""
    path = f"{_folder(cluster)}/{kind}-{name}"
    while True:
        lease = cluster.get(path)
        if lease is None or _holder(lease) != job:
            return
        try:
            cluster.delete(lease, path)
        except ConflictError:
            continue
        return


def own(cluster: Cluster, name: str, job: str) -> Object | None:
    """The node's Lease; None: this job does not hold it (any more)."""
    lease = cluster.get(path(cluster, name))
    return lease if lease and _holder(lease) == job else None


def path(cluster: Cluster, name: str) -> str:
    return f"{_folder(cluster)}/{NODE}-{name}"


def held(cluster: Cluster, job: str, kind: str = NODE) -> list[str]:
    """What this job holds."""
    prefix = f"{kind}-"
    leases = cluster.list(_folder(cluster), labelSelector=f"{JOB_ID}={job}")
    names = [lease["metadata"]["name"] for lease in leases if _holder(lease) == job]
    return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))


def _take(cluster: Cluster, name: str, job: str, kind: str) -> None:
    path = f"{_folder(cluster)}/{kind}-{name}"
    lease = cluster.get(path)
    if lease is None:
        cluster.create(_folder(cluster), _lease(f"{kind}-{name}", job))
        return
    holder = _holder(lease)
    if holder == job:
        return
    if _at_work(cluster, holder):
        raise HeldError(f"{kind} {name} is held by job {holder}")
    change: Object = {"metadata": {"labels": {JOB_ID: job}}, "spec": {"holderIdentity": job, "acquireTime": _now()}}
    cluster.patch(lease, path, change)


def _at_work(cluster: Cluster, job: str) -> bool:
    """A Lease is free again when its holder's Workflow is gone or completed, whoever forgot to give it back."""
    if not job:
        return False
    workflow = cluster.get(f"/apis/argoproj.io/v1alpha1/namespaces/{cluster.namespace}/workflows/{job}")
    return workflow is not None and (workflow["metadata"].get("labels") or {}).get(_COMPLETED) != "true"


def _lease(name: str, job: str) -> Object:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "labels": {JOB_ID: job}},
        "spec": {"holderIdentity": job, "acquireTime": _now()},
    }


def _holder(lease: Object) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _folder(cluster: Cluster) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{cluster.namespace}/leases"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
