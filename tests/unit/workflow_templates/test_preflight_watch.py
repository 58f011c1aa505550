from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import NAMESPACE, PODS, WORKFLOWS, ApiServer
from workflow_templates.cluster import Cluster
from workflow_templates.preflight import watch

EVENTS = f"/api/v1/namespaces/{NAMESPACE}/events"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WAITING = {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no cpu"}


def pending(server: ApiServer, *, node: str, seconds: int, name: str = "check", **status: Any) -> dict[str, Any]:
    """A check's pod that was made so many seconds ago; answers it as it lies in the apiserver."""
    made = (NOW - timedelta(seconds=seconds)).isoformat()
    labels = {"workflows.argoproj.io/workflow": "job-1", "opsjob.io/step": "node"}
    server.add_pod(
        name,
        node=node,
        metadata={"creationTimestamp": made, "labels": labels},
        status={"phase": "Pending", **status},
    )
    return server.objects[f"{PODS}/{name}"]


def event(server: ApiServer, pod: dict[str, Any], number: int, reason: str, message: str = "") -> None:
    """One of a pod's; the number says when."""
    kind = "Warning" if reason == "FailedMount" else "Normal"
    happened = (NOW - timedelta(seconds=60 - number)).isoformat()
    told = {"type": kind, "reason": reason, "message": message, "lastTimestamp": happened}
    server.put(f"{EVENTS}/e{9 - number}", {**told, "involvedObject": {"uid": pod["metadata"]["uid"]}})


def workflow(server: ApiServer) -> None:
    """A job of one node whose check has not ended."""
    arguments = {"parameters": [{"name": "nodes", "value": '["gpu-1"]'}]}
    server.put(f"{WORKFLOWS}/job-1", {"spec": {"arguments": arguments}, "status": {"nodes": {}}})


def main(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[int, str]:
    """The step's exit code and last word."""
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(tmp_path / "last-word"))
    monkeypatch.setattr(Cluster, "in_pod", lambda: cluster)
    monkeypatch.setattr("sys.argv", ["watch", "--job", "job-1", "--start-seconds=30"])
    return watch.main(), (tmp_path / "last-word").read_text()


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


def test_one_that_may_not_be_changed_does_not_keep_the_others_from_it(server: ApiServer, cluster: Cluster) -> None:
    for name in ("a", "b", "c"):
        pending(server, node="gpu-1", seconds=31, name=name)
    # The list first; then of each pod its events and its change.
    server.faults = [None, None, 403, 403, None]
    watch.give_up_late(cluster, "job-1", 30, NOW)
    assert [name for name in ("a", "b", "c") if watch.given_up(server.objects[f"{PODS}/{name}"])] == ["c"]


def test_an_api_that_is_away_is_no_end_but_another_attempt(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workflow(server)
    pending(server, node="gpu-1", seconds=31)
    cluster.patience = 0.1
    # The Workflow, the pods and the pod's events are read before it goes away.
    server.faults = [None, None, None, *[503] * 1000]
    code, said = main(cluster, monkeypatch, tmp_path)
    assert code == 75
    assert "until the Kubernetes API is back" in said


def test_a_watch_that_may_not_look_says_so_and_ends(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    workflow(server)
    server.faults = [None, 403]
    code, said = main(cluster, monkeypatch, tmp_path)
    assert code == 1
    assert "nobody watched over the start of the checks" in said
    assert "403" in said


def test_a_volume_that_is_not_there_is_the_reason(server: ApiServer, cluster: Cluster) -> None:
    """Of which the kubelet tells in an event alone."""
    pod = pending(server, node="gpu-1", seconds=31)
    event(server, pod, 1, "FailedMount", "hostPath type check failed: /nfs_models is not a directory")
    event(server, pod, 2, "Scheduled")
    watch.give_up_late(cluster, "job-1", 30, NOW)
    assert watch.given_up(server.objects[f"{PODS}/check"]).endswith(
        "FailedMount: hostPath type check failed: /nfs_models is not a directory"
    )


def test_a_large_image_is_not_taken_for_one_that_cannot_be_had(server: ApiServer, cluster: Cluster) -> None:
    pod = pending(server, node="gpu-1", seconds=31)
    event(server, pod, 1, "FailedMount", "not yet")
    event(server, pod, 2, "Pulling", 'Pulling image "huge:1"')
    watch.give_up_late(cluster, "job-1", 30, NOW)
    assert (
        watch.given_up(server.objects[f"{PODS}/check"])
        == 'could not be started within 30 s: its node is still pulling the image (Pulling image "huge:1")'
    )
