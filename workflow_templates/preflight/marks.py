"""A taint or a label on the nodes that failed their check, taken off again when they pass (docs/preflight.md).

Of a node that could not be tested no more is known than before: its marks stay as they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workflow_templates import step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, ConflictError, Object
from workflow_templates.preflight.check_results import Node
from workflow_templates.protocol import labels

_PATH = "/api/v1/nodes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """As the chart's values say them: key=value:Effect and key=value; a value may be absent, empty is no such mark."""

    taint: str = ""
    label: str = ""

    def __bool__(self) -> bool:
        return bool(self.taint or self.label)


def put(cluster: Cluster, checked: Iterable[Node], marks: Marks, job: str) -> str:
    """Mark the unhealthy nodes for this job and unmark the healthy; returns what was done, for a person, or nothing.

    A node that cannot be changed does not keep the others from it.
    """
    if not marks:
        return ""
    unhealthy = {node.name: node.status == "fail" for node in checked if node.status in ("pass", "fail")}
    marked: list[str] = []
    unmarked: list[str] = []
    left: list[str] = []
    for found in list(cluster.list(_PATH)):
        name = found["metadata"]["name"]
        if name not in unhealthy:
            continue
        try:
            changed = _put(cluster, found, marks, job, unhealthy=unhealthy[name])
        except ClusterError as fault:
            step_output.log(f"node {name} could not be marked: {fault}")
            left.append(name)
            continue
        if changed:
            (marked if unhealthy[name] else unmarked).append(name)
    groups = {"marked": marked, "no longer marked": unmarked, "could not be changed": left}
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in groups.items() if names)


def change(node: Object, marks: Marks, job: str, *, unhealthy: bool) -> Object | None:
    """The merge patch that gives a node the marks, or takes them; None: it is as it should be.

    It bears the job's name, without which admission lets no step change a mark.
    """
    wanted: Object = {}
    if marks.label:
        key, _, value = marks.label.partition("=")
        has_labels = node["metadata"].get("labels") or {}
        if has_labels.get(key) != (value if unhealthy else None):
            wanted["metadata"] = {"labels": {key: value if unhealthy else None}}
    if marks.taint:
        ours = _taint(marks.taint)
        taints = (node.get("spec") or {}).get("taints") or []
        others = [taint for taint in taints if not _same(taint, ours)]
        should = [*others, ours] if unhealthy else others
        has = [{key: taint[key] for key in ours if key in taint} for taint in taints if _same(taint, ours)]
        if has != ([ours] if unhealthy else []):
            # A merge patch replaces the list: the node's version shows that no other client changed it meanwhile.
            wanted["spec"] = {"taints": should or None}
    if not wanted:
        return None
    by = {labels.MARKED_BY: job if unhealthy else None}
    return {**wanted, "metadata": {**wanted.get("metadata", {}), "annotations": by}}


def _put(cluster: Cluster, node: Object, marks: Marks, job: str, *, unhealthy: bool) -> bool:
    path = f"{_PATH}/{node['metadata']['name']}"
    current: Object | None = node
    while current and (patch := change(current, marks, job, unhealthy=unhealthy)):
        try:
            cluster.patch(current, path, patch)
        except ConflictError:
            current = cluster.get(path)
            continue
        return True
    return False


def _taint(text: str) -> dict[str, str]:
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    return {"key": key, **({"value": value} if value else {}), "effect": effect}


def _same(taint: Mapping[str, Any], ours: Mapping[str, str]) -> bool:
    """Kubernetes knows a node's taints apart by key and effect."""
    return (taint.get("key"), taint.get("effect")) == (ours["key"], ours["effect"])
