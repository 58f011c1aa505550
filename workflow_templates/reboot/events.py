"""What `kubectl describe node` shows of a reboot: RebootBegun, Rebooted, RebootFailed."""

from typing import Literal

from workflow_templates import step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, ConflictError, Object

#: Where events of objects without a namespace live.
_FOLDER = "/api/v1/namespaces/default/events"
_MESSAGE_CHARACTERS = 1000

Reason = Literal["RebootBegun", "Rebooted", "RebootFailed"]


def failed(cluster: Cluster, node: str, job: str, sentence: str) -> None:
    """RebootFailed, also of a node that is gone, or that the API does not show."""
    try:
        found = cluster.get(f"/api/v1/nodes/{node}")
    except ClusterError:
        found = None
    record(cluster, found or {"metadata": {"name": node}}, job, "RebootFailed", sentence)


def record(cluster: Cluster, node: Object, job: str, reason: Reason, sentence: str) -> None:
    """Once for each job, node and reason. An event that cannot be written changes nothing else."""
    name = node["metadata"]["name"]
    now = cluster.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "metadata": {"name": f"{job}.{reason.lower()}.{name}"[:253].rstrip(".-"), "namespace": "default"},
        "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"].get("uid", name)},
        "type": "Warning" if reason == "RebootFailed" else "Normal",
        "reason": reason,
        "message": f"job {job}: {sentence}"[:_MESSAGE_CHARACTERS],
        "source": {"component": "opsjobs"},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
    try:
        cluster.create(_FOLDER, event)
    except ConflictError:
        return  # written already
    except ClusterError as fault:
        step_output.log(f"event {reason} was not written: {fault}")
