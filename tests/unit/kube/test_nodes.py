from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.cluster_objects import Taint
from service.kube.nodes import node_of, readiness
from workflow_templates.protocol.labels import CORDONED_BEFORE, CORDONED_BY

SINCE = "2025-01-10T08:00:00Z"


def node(*, ready: str | None = "True", **changes: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": SINCE}
    return {
        "metadata": {"name": "gpu-1", "creationTimestamp": "2025-01-01T00:00:00Z", "labels": changes.get("labels", {})},
        "spec": changes.get("spec", {}),
        "status": {"conditions": [{"type": "DiskPressure", "status": "False"}, *([condition] if ready else [])]},
    }


def test_a_healthy_node() -> None:
    found = node_of(node(labels={"team": "ai"}))
    assert (found.name, found.ready, found.cordoned, found.taints) == ("gpu-1", True, False, ())
    assert found.labels == {"team": "ai"}
    assert not found.control_plane


@pytest.mark.parametrize("ready", ["False", "Unknown", None])
def test_a_node_that_does_not_say_true_is_not_ready(ready: str | None) -> None:
    assert not node_of(node(ready=ready)).ready


def test_since_when_a_node_is_not_ready() -> None:
    assert readiness(node(ready="Unknown")) == (False, datetime(2025, 1, 10, 8, tzinfo=UTC))
    assert readiness(node(ready=None)) == (False, datetime(2025, 1, 1, tzinfo=UTC))


def test_a_readiness_without_a_time_counts_from_the_nodes_creation() -> None:
    untimed = node()
    untimed["status"]["conditions"][-1]["lastTransitionTime"] = None
    assert readiness(untimed) == (True, datetime(2025, 1, 1, tzinfo=UTC))


def test_taints_that_repeat_cordon_and_readiness_are_left_out() -> None:
    taints = [
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
        {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"},
        {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"},
        {"key": "nvidia.com/gpu", "effect": "NoSchedule", "value": "present"},
        {"key": "maintenance", "effect": "PreferNoSchedule"},
    ]
    found = node_of(node(spec={"unschedulable": True, "taints": taints}))
    assert found.cordoned
    assert found.taints == (Taint("nvidia.com/gpu", "NoSchedule", "present"), Taint("maintenance", "PreferNoSchedule"))


@pytest.mark.parametrize("key", ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"])
def test_a_control_plane_node_by_its_label_or_its_taint(key: str) -> None:
    assert node_of(node(labels={key: ""})).control_plane
    assert node_of(node(spec={"taints": [{"key": key, "effect": "NoSchedule"}]})).control_plane


@pytest.mark.parametrize(("before", "cordoned"), [("true", True), ("false", False)])
def test_a_cordon_of_a_job_says_what_was_there_before_and_whose_it_is(before: str, *, cordoned: bool) -> None:
    marked = node(spec={"unschedulable": True})
    marked["metadata"]["annotations"] = {CORDONED_BY: "reboot-abc123", CORDONED_BEFORE: before}
    found = node_of(marked)
    assert (found.cordoned, found.worked_on_by) == (cordoned, "reboot-abc123")
    assert node_of(node()).worked_on_by == ""
