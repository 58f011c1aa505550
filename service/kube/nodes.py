from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from service.domain.cluster_objects import Node, Taint
from service.kube.client import Api, Object
from workflow_templates.protocol import labels, node_state
from workflow_templates.protocol.api_path import api_path, is_object_name, object_path

PATH = api_path("v1", "nodes")

#: So many nodes are read one by one; to read more, one list costs less.
_FEW = 20


async def nodes(api: Api, names: Collection[str] | None = None) -> list[Node]:
    """The nodes of those names that there are, or every node of the cluster, by name."""
    wanted = None if names is None else frozenset(filter(is_object_name, names))
    if wanted is not None and len(wanted) <= _FEW:
        found = [node_of(item) for name in wanted if (item := await api.get(object_path(PATH, name)))]
    else:
        # One by one: as they come, thousands of them are hundreds of megabytes.
        listed = api.list(PATH)
        found = [node_of(item) async for item in listed if wanted is None or item["metadata"]["name"] in wanted]
    return sorted(found, key=lambda node: node.name)


def node_of(item: Object) -> Node:
    spec = item.get("spec", {})
    taints = [Taint(taint["key"], taint["effect"], taint.get("value", "")) for taint in spec.get("taints", [])]
    return Node(
        name=item["metadata"]["name"],
        ready=readiness(item)[0],
        cordoned=node_state.was_cordoned(item),
        taints=tuple(taint for taint in taints if taint.key not in node_state.REPEATING),
        labels=item["metadata"].get("labels", {}),
        control_plane=node_state.is_control_plane(item),
        worked_on_by=node_state.annotations(item).get(labels.CORDONED_BY, ""),
        unschedulable=node_state.is_cordoned(item),
        left_cordoned_by=node_state.left_cordoned_by(item),
        recursive_read_only=_mounts_read_only(item.get("status", {}).get("runtimeHandlers") or ()),
    )


def _mounts_read_only(handlers: Iterable[Mapping[str, Any]]) -> bool:
    """Kubelets that do not know say nothing of their runtimes."""
    able = [bool((handler.get("features") or {}).get("recursiveReadOnlyMounts")) for handler in handlers]
    return bool(able) and all(able)


def readiness(item: Mapping[str, Any]) -> tuple[bool, datetime]:
    """Whether a node is Ready, and since when it is or is not; since its creation where no condition says."""
    created = item["metadata"]["creationTimestamp"]
    for condition in item.get("status", {}).get("conditions", []):
        if condition["type"] == "Ready":
            # Kubernetes takes a condition without a time, from whatever sets conditions beside the kubelet.
            return condition["status"] == "True", moment(condition.get("lastTransitionTime") or created)
    return False, moment(created)


def moment(text: str) -> datetime:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(text).astimezone(UTC)
