from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import PODS, ApiServer
from workflow_templates.cluster import Cluster
from workflow_templates.preflight import watch

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WAITING = {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no cpu"}


def pending(server: ApiServer, *, node: str, seconds: int, **status: Any) -> dict[str, Any]:
    """A check's pod that was made so many seconds ago; answers it as it lies in the apiserver."""
    made = (NOW - timedelta(seconds=seconds)).isoformat()
    labels = {"workflows.argoproj.io/workflow": "job-1", "opsjob.io/step": "node"}
    server.add_pod(
        "check",
        node=node,
        metadata={"creationTimestamp": made, "labels": labels},
        status={"phase": "Pending", **status},
    )
    return server.objects[f"{PODS}/check"]


def test_one_that_a_kubelet_has_gets_a_deadline_and_the_reason_is_noted(server: ApiServer, cluster: Cluster) -> None:
    pending(server, node="gpu-1", seconds=31, containerStatuses=[WAITING])
    watch.give_up_late(cluster, "job-1", 30, NOW)
    pod = server.objects[f"{PODS}/check"]
    assert pod["spec"]["activeDeadlineSeconds"] == 1
    assert watch.given_up(pod) == "could not be started within 30 s: ImagePullBackOff: no such image"
    written = len([method for method, _ in server.seen if method == "PATCH"])
    watch.give_up_late(cluster, "job-1", 30, NOW)
    assert len([method for method, _ in server.seen if method == "PATCH"]) == written, "once is enough"


def test_one_that_no_node_has_is_marked_failed_with_the_reason(server: ApiServer, cluster: Cluster) -> None:
    pending(server, node="", seconds=31, conditions=[UNSCHEDULABLE])
    watch.give_up_late(cluster, "job-1", 30, NOW)
    written = [path for method, path in server.seen if method == "PATCH"]
    assert written == [f"{PODS}/check/status"], "there is no kubelet that would end it or take this back"


@pytest.mark.parametrize("seconds", [0, 29])
def test_one_that_has_time_left_is_let_be(server: ApiServer, cluster: Cluster, seconds: int) -> None:
    pending(server, node="gpu-1", seconds=seconds, containerStatuses=[WAITING])
    watch.give_up_late(cluster, "job-1", 30, NOW)
    assert {method for method, _ in server.seen} == {"GET"}
