"""Volumes that are still attached to a node: one that goes down with them keeps their pods from starting elsewhere."""

from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.protocol import node_state
from workflow_templates.protocol.api_path import api_path
from workflow_templates.reboot import stage

_ATTACHMENTS = api_path("storage.k8s.io/v1", "volumeattachments")


def attached(cluster: Cluster, node: str) -> list[str]:
    """A sentence for each volume that no pod on the node uses any more, and that is not detached yet.

    Where the node is not Ready none is waited for: its kubelet may not unmount anything, which the reboot is to mend.
    """
    found = [item for item in cluster.list(_ATTACHMENTS) if item["spec"]["nodeName"] == node]
    if not found or not node_state.is_ready(stage.read(cluster, node)):
        return []
    used = _claims_in_use(cluster, node)
    claims = {item["metadata"]["name"]: _claim(cluster, item) for item in found}
    return [
        f"volume of claim {claim} is still attached" for claim in sorted(claims.values()) if claim not in used | {""}
    ]


def _claims_in_use(cluster: Cluster, node: str) -> set[str]:
    """`namespace/name` of each claim that a pod on the node holds: those of pods that stay are never detached."""
    selector = f"spec.nodeName={node},status.phase!=Succeeded,status.phase!=Failed"
    return {claim for pod in cluster.list("/api/v1/pods", fieldSelector=selector) for claim in _claims_of(pod)}


def _claims_of(pod: Object) -> set[str]:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    volumes = pod["spec"].get("volumes") or ()
    named = {volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume}
    own = {f"{name}-{volume['name']}" for volume in volumes if "ephemeral" in volume}
    return {f"{namespace}/{claim}" for claim in named | own}


def _claim(cluster: Cluster, attachment: Object) -> str:
    """Whose the volume is, as `namespace/name`; empty: it has no claim."""
    volume = (attachment["spec"].get("source") or {}).get("persistentVolumeName")
    found = cluster.get(api_path("v1", "persistentvolumes", name=volume)) if volume else None
    claim = ((found or {}).get("spec") or {}).get("claimRef") or {}
    return f"{claim['namespace']}/{claim['name']}" if claim else ""
