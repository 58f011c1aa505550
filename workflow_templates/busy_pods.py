"""Which pods of a node are work that must not be disturbed (contract: securityUpgrade)."""

from collections.abc import Collection, Iterable

from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.protocol import labels

_MIRROR = "kubernetes.io/config.mirror"


def is_workload(pod: Object, job: str, namespace: str, system: Collection[str] = ()) -> bool:
    """DaemonSet, mirror and finished pods and those of the job itself do not count; `namespace` is the jobs' own.

    Nor does what runs in a `system` namespace, the cluster's own machinery (docs/decisions/0008).
    """
    metadata = pod["metadata"]
    if metadata.get("namespace") in system:
        return False
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    if _MIRROR in (metadata.get("annotations") or {}):
        return False
    if any(owner["kind"] == "DaemonSet" and owner.get("controller") for owner in metadata.get("ownerReferences") or ()):
        return False
    ours = metadata.get("namespace") == namespace and (metadata.get("labels") or {}).get(labels.ARGO_WORKFLOW) == job
    return not ours


def workload(pods: Iterable[Object], job: str, namespace: str, system: Collection[str] = ()) -> list[str]:
    """The `namespace/name` of each pod that keeps a node busy, in order."""
    busy = (pod["metadata"] for pod in pods if is_workload(pod, job, namespace, system))
    return sorted(f"{metadata['namespace']}/{metadata['name']}" for metadata in busy)


def on_node(cluster: Cluster, node: str, job: str, system: Collection[str]) -> list[str]:
    """What keeps this node busy right now."""
    selector = f"spec.nodeName={node},status.phase!=Succeeded,status.phase!=Failed"
    return workload(cluster.list("/api/v1/pods", fieldSelector=selector), job, cluster.namespace, system)
