from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from service.domain.cluster import Node, Taint
from service.kube.client import Api
from workflow_templates.protocol.api_path import api_path, is_object_name, object_path

PATH = api_path("v1", "nodes")

#: So many nodes are read one by one; to read more, one list costs less.
_FEW = 20

#: Taints that only repeat what `ready` and `cordoned` say.
_SAID_OTHERWISE = frozenset(
    {"node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}
)
#: Label and taint key of a control-plane node; the second is what clusters made before 1.24 carry.
_CONTROL_PLANE = frozenset({"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"})


async def nodes(api: Api, names: Collection[str] | None = None) -> list[Node]:
    """The nodes of those names that there are, or every node of the cluster, by name."""
    wanted = None if names is None else frozenset(filter(is_object_name, names))
    if wanted is not None and len(wanted) <= _FEW:
        found = [item for name in wanted if (item := await api.get(object_path(PATH, name)))]
    else:
        found = [item async for item in api.list(PATH) if wanted is None or item["metadata"]["name"] in wanted]
    return sorted(map(node_of, found), key=lambda node: node.name)


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
