"""What a check's pod says of its end, or of why it does not begin."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from workflow_templates.protocol import pod_start
from workflow_templates.protocol.check_outcome import CheckOutcome

Object = dict[str, Any]

#: The only exit code by which a check says that its node is unhealthy. All others but 0 come as well from what is no
#: fault of the node: a mistake in the check, a command that is not there (64, 126, 127), a signal (137, 143).
EXIT_UNHEALTHY = 1
#: How the kubelet words that a container ended by itself; other words are OOMKilled, DeadlineExceeded, ….
_BY_ITSELF = ("", "Completed", "Error")
#: The reason of the kubelet's event when it begins to.
_PULLING = "Pulling"


def outcome(pod: Object) -> CheckOutcome | None:
    """How the check ended; None: it has not."""
    status = pod.get("status") or {}
    if status.get("phase") not in ("Succeeded", "Failed"):
        return None
    ended = main_state(pod).get("terminated") or {}
    code = ended.get("exitCode")
    return CheckOutcome(
        status=_status(pod, ended),
        message="" if code == 0 else _message(status, ended),
        code=code,
        started=str(ended.get("startedAt") or ""),
        finished=str(ended.get("finishedAt") or ""),
    )


def main_state(pod: Object) -> Object:
    """waiting, running or terminated, and what belongs to it."""
    states = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((one.get("state") or {} for one in states if one["name"] == "main"), {})


def silent_since(pod: Object) -> datetime | None:
    """Since when the node of a check that runs does not answer; None: it does.

    Kubernetes then calls the pod not ready, which one without a readiness probe is at no other time while it runs.
    """
    if "running" not in main_state(pod):
        return None
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready: Object = next((one for one in conditions if one["type"] == "Ready"), {})
    silent = ready.get("status") == "False" and ready.get("lastTransitionTime")
    return moment(ready["lastTransitionTime"]) if silent else None


def in_the_way(pod: Object, events: Sequence[Object]) -> str:
    """What the kubelet or the scheduler says of a pod that does not start; `events` are the pod's, the oldest first."""
    if why := pod_start.obstacle(pod):
        return why
    if events and events[-1].get("reason") == _PULLING:
        return f"its node is still pulling the image ({events[-1].get('message', '')})"
    # A volume that cannot be mounted is reported nowhere else.
    warnings = [event for event in events if event.get("type") == "Warning"]
    if not warnings:
        return "the kubelet gives no reason"
    return f"{warnings[-1].get('reason', '')}: {warnings[-1].get('message', '')}"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _status(pod: Object, ended: Object) -> str:
    if ended.get("exitCode") == 0:
        return "pass"
    from_outside = (pod["metadata"].get("deletionTimestamp"), (pod.get("status") or {}).get("reason"))
    by_itself = not any(from_outside) and ended.get("reason", "") in _BY_ITSELF
    return "fail" if ended.get("exitCode") == EXIT_UNHEALTHY and by_itself else "error"


def _message(status: Object, ended: Object) -> str:
    if status.get("reason") or status.get("message"):
        return ": ".join(filter(None, (status.get("reason"), status.get("message"))))
    if ended.get("reason") == "OOMKilled":
        return "ran out of memory"
    own = str(ended.get("message") or "").strip()
    if own:
        return own
    return ended.get("reason", "") if ended.get("reason", "") not in _BY_ITSELF else ""
