"""What a Node object says of its node: its boot, its readiness, its role."""

from datetime import datetime
from typing import Any

from workflow_templates.protocol import labels

Object = dict[str, Any]

#: Label and taint keys of a control-plane node: the second is what clusters made before Kubernetes 1.24 carry, the
#: third what some distributions put on nodes that run nothing of it but etcd.
CONTROL_PLANE = frozenset(f"node-role.kubernetes.io/{role}" for role in ("control-plane", "master", "etcd"))

#: Taints that only repeat what Ready and spec.unschedulable say.
REPEATING = frozenset(
    {"node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
)
_REPELLING = ("NoSchedule", "NoExecute")


def boot_id(node: Object) -> str:
    """What the kernel calls this run of itself, as the kubelet last reported it; empty: not reported."""
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("bootID") or "")


def is_ready(node: Object) -> bool:
    return _ready(node) == "True"


def not_ready_since(node: Object) -> datetime | None:
    """Since when it is not Ready; None: it is, or that is not known."""
    if is_ready(node):
        return None
    since = (_condition(node) or {}).get("lastTransitionTime")
    return datetime.fromisoformat(since) if since else None


def is_silent(node: Object) -> bool:
    """Whether its kubelet has not reported for so long that Kubernetes calls it Unknown; one not Ready reports."""
    return _ready(node) not in ("True", "False")


def is_cordoned(node: Object) -> bool:
    return bool((node.get("spec") or {}).get("unschedulable"))


def was_cordoned(node: Object) -> bool:
    """Whether it is cordoned by another than a job, or was when a job cordoned it."""
    marks = annotations(node)
    return marks.get(labels.CORDONED_BEFORE) == "true" if labels.CORDONED_BY in marks else is_cordoned(node)


def left_cordoned_by(node: Object) -> str:
    """The job that left it cordoned at its end (cordon_patches.leaving); empty: none did."""
    left = annotations(node).get(labels.LEFT_CORDONED, "")
    return left.removeprefix("job ").partition(":")[0] if left.startswith("job ") else ""


def annotations(item: Object) -> dict[str, str]:
    return dict((item.get("metadata") or {}).get("annotations") or {})


def is_control_plane(node: Object) -> bool:
    taints = (node.get("spec") or {}).get("taints") or ()
    keys = (*(node["metadata"].get("labels") or ()), *(taint["key"] for taint in taints))
    return any(key in CONTROL_PLANE for key in keys)


def unfit(node: Object, *, tolerate_all: bool) -> str:
    """Why an addon or preflight job leaves a node alone (contract); empty: it does not.

    A cordon for this job, or one that a job before left behind, tells of the node what was there before it.
    """
    if not is_ready(node):
        return "is NotReady"
    if tolerate_all:
        return ""
    if was_cordoned(node):
        return "is cordoned (isTolerateAll would take it)"
    taints = [
        f"{taint['key']}={taint.get('value', '')}:{taint['effect']}".replace("=:", ":")
        for taint in (node.get("spec") or {}).get("taints") or ()
        if taint["effect"] in _REPELLING and taint["key"] not in REPEATING
    ]
    return f"is tainted {', '.join(taints)} (isTolerateAll would take it)" if taints else ""


def _ready(node: Object) -> str:
    return str((_condition(node) or {"status": "Unknown"})["status"])


def _condition(node: Object) -> Object | None:
    """Ready, as the node's status has it."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition["type"] == "Ready"), None)
