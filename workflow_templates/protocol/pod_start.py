"""Why a pod does not start, as Kubernetes says it at the pod, for the service and for the steps that give one up."""

from typing import Any

_GIVEN_UP = "could not be started"


def given_up(why: str, seconds: int | None = None) -> str:
    """The message of a pod that was given up before it started, by a limit of so many seconds where that is known."""
    return f"{_GIVEN_UP}{f' within {seconds} s' if seconds is not None else ''}: {why}"


def is_given_up(message: str) -> bool:
    """Whether a message is one of `given_up`: Argo passes on a pod's message, and not its reason."""
    return message.startswith(_GIVEN_UP)


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
