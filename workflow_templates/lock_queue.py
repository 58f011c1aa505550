"""Jobs that need several nodes at once: they lock all of them or none, and the longest waiting goes first.

A job that would keep the free ones of its nodes while it waits for a busy one would hold up the fleet for as long; one
that keeps none would never begin where others are quicker each time. So a job notes that it waits.
For YIELD_AFTER_SECONDS others may take its free nodes; from then on a job that began to wait later, or was created
later, leaves them to it.
"""

import json
from datetime import datetime

from workflow_templates.kubernetes_api import Cluster, ConflictError, Object
from workflow_templates.protocol import labels, node_lock

YIELD_AFTER_SECONDS = 600.0


def join(cluster: Cluster, job: Object, nodes: list[str]) -> None:
    """Note that a job waits for these nodes, since now or since it first did; it goes with the job's Workflow."""
    metadata = job["metadata"]
    lease = node_lock.new(_name(metadata["name"]), metadata["name"], cluster.now())
    lease["metadata"]["labels"][labels.WAITING] = "true"
    lease["metadata"]["annotations"] = {labels.WAITS_FOR: json.dumps(nodes)}
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": metadata["name"], "uid": metadata["uid"]}
    lease["metadata"]["ownerReferences"] = [owner]
    try:
        cluster.create(_folder(cluster), lease)
    except ConflictError:
        return


def leave(cluster: Cluster, job: str) -> None:
    """The job has its nodes, or needs none any more."""
    cluster.remove(f"{_folder(cluster)}/{_name(job)}")


def job_ahead(cluster: Cluster, node: str, job: str) -> str:
    """The job to which the node is left, because it has waited for it longer; empty: none."""
    waits = {
        node_lock.holder(one): one for one in cluster.list(_folder(cluster), labelSelector=f"{labels.WAITING}=true")
    }
    own = waits.pop(job, None)
    others = [
        (_since(one), holder)
        for holder, one in waits.items()
        if node in json.loads(one["metadata"]["annotations"][labels.WAITS_FOR])
        and (cluster.now() - _since(one)).total_seconds() >= YIELD_AFTER_SECONDS
    ]
    if not others:
        return ""
    mine = _since(own) if own else _created(cluster, job)
    return next((holder for since, holder in sorted(others) if since < mine and _goes_on(cluster, holder)), "")


def _since(lease: Object) -> datetime:
    """As the apiserver wrote it: no step can have waited for longer than there is a Lease of it."""
    return datetime.fromisoformat(lease["metadata"]["creationTimestamp"])


def _created(cluster: Cluster, job: str) -> datetime:
    found = cluster.get(_workflow(cluster, job))
    return datetime.fromisoformat(found["metadata"]["creationTimestamp"]) if found else cluster.now()


def _goes_on(cluster: Cluster, job: str) -> bool:
    found = cluster.get(_workflow(cluster, job))
    return found is not None and (found["metadata"].get("labels") or {}).get(labels.ARGO_COMPLETED) != "true"


def _workflow(cluster: Cluster, job: str) -> str:
    return f"/apis/argoproj.io/v1alpha1/namespaces/{cluster.namespace}/workflows/{job}"


def _name(job: str) -> str:
    return f"waiting-{job}"


def _folder(cluster: Cluster) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{cluster.namespace}/leases"
