from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from service.domain.cluster import Node, Taint
from service.kube.client import Api

PATH = "/api/v1/nodes"

#: Taints that only repeat what `ready` and `cordoned` say.
_SAID_OTHERWISE = frozenset(
    {"node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
)
#: Label and taint key of a control-plane node; the second is what clusters made before 1.24 carry.
_CONTROL_PLANE = frozenset({"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"})


async def nodes(api: Api) -> list[Node]:
    """Every node of the cluster, by name."""
    return sorted([node_of(item) async for item in api.list(PATH)], key=lambda node: node.name)


def node_of(item: Mapping[str, Any]) -> Node:
    spec = item.get("spec", {})
    labels = item["metadata"].get("labels", {})
    taints = [Taint(taint["key"], taint["effect"], taint.get("value", "")) for taint in spec.get("taints", [])]
    return Node(
        name=item["metadata"]["name"],
        ready=readiness(item)[0],
        cordoned=bool(spec.get("unschedulable")),
        taints=tuple(taint for taint in taints if taint.key not in _SAID_OTHERWISE),
        labels=labels,
        control_plane=any(key in _CONTROL_PLANE for key in (*labels, *(taint.key for taint in taints))),
    )


def readiness(item: Mapping[str, Any]) -> tuple[bool, datetime]:
    """Whether a node is Ready, and since when it is or is not; since its creation where nobody said."""
    created = item["metadata"]["creationTimestamp"]
    for condition in item.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready":
            # Kubernetes takes a condition without a time, from whatever sets conditions beside the kubelet.
            return condition["status"] == "True", moment(condition.get("lastTransitionTime") or created)
    return False, moment(created)


def moment(text: str) -> datetime:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(text).astimezone(UTC)
