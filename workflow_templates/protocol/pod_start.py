"""Why a pod does not start, as Kubernetes says it at the pod, for the service and for the steps that give one up."""

from typing import Any


def obstacle(pod: dict[str, Any]) -> str:
    """What the kubelet says of a container that waits, or else the scheduler; empty: neither says anything."""
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("message"):
            return f"{waiting.get('reason', '')}: {waiting['message']}"
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    return ""
