"""The exit handler: whatever happened, the job's nodes are as they were."""

import time
from pathlib import Path

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, PODS, WORKFLOWS, ApiServer
from workflow_templates import cordon, locks, release_nodes
from workflow_templates.kubernetes_api import Cluster, ClusterError, Object
from workflow_templates.protocol import labels
from workflow_templates.protocol.node_lock import Work

NODES = ["gpu-1", "gpu-2", "gpu-3"]
STEP = {"labels": {"workflows.argoproj.io/workflow": "job-1", "opsjob.io/step": "node"}}


@pytest.fixture(autouse=True)
def job(server: ApiServer) -> None:
    """A job, and nodes that it may have borrowed."""
    server.put(f"{WORKFLOWS}/job-1", {"spec": {}})
    for name in NODES:
        server.put(f"/api/v1/nodes/{name}", {"spec": {}})


def lease_of(job: str) -> Object:
    return {"metadata": {"labels": {labels.JOB_ID: job}}, "spec": {"holderIdentity": job}}


def cordoned(server: ApiServer) -> list[str]:
    return [name for name in NODES if server.objects[f"/api/v1/nodes/{name}"]["spec"].get("unschedulable")]


def test_what_lost_pods_left_behind_is_put_back(server: ApiServer, cluster: Cluster) -> None:
    server.put("/api/v1/nodes/gpu-2", {"spec": {"unschedulable": True}})
    for name in NODES[:2]:
        locks.take(cluster, name, "job-1")
        cordon.cordon(cluster, name, "job-1")
    release_nodes.restore(cluster, "job-1")
    assert cordoned(server) == ["gpu-2"]
    assert not [path for path in server.objects if path.startswith(LEASES)]


def test_what_is_another_jobs_stays(server: ApiServer, cluster: Cluster) -> None:
    server.put(f"{WORKFLOWS}/job-2", {"spec": {}})
    locks.take(cluster, "gpu-1", "job-2")
    cordon.cordon(cluster, "gpu-1", "job-2")
    release_nodes.restore(cluster, "job-1")
    assert cordoned(server) == ["gpu-1"]
    assert server.objects[f"{LEASES}/node-gpu-1"]["spec"]["holderIdentity"] == "job-2"


def test_a_node_that_left_the_cluster_holds_up_no_other(server: ApiServer, cluster: Cluster) -> None:
    locks.take(cluster, "gpu-1", "job-1")
    locks.take(cluster, "gpu-3", "job-1")
    del server.objects["/api/v1/nodes/gpu-1"]
    release_nodes.restore(cluster, "job-1")
    assert not [path for path in server.objects if path.startswith(LEASES)]


def test_a_job_whose_workflow_was_removed_is_cleaned_up_all_the_same(server: ApiServer, cluster: Cluster) -> None:
    locks.take(cluster, "gpu-1", "job-1")
    cordon.cordon(cluster, "gpu-1", "job-1")
    del server.objects[f"{WORKFLOWS}/job-1"]
    release_nodes.restore(cluster, "job-1")
    assert cordoned(server) == []
    assert not [path for path in server.objects if path.startswith(LEASES)]


def test_what_is_locked_is_found_on_every_page(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow_templates.kubernetes_api._PAGE", 5)
    names = [f"gpu-{number}" for number in range(12)]
    for name in names:
        server.put(f"{LEASES}/node-{name}", lease_of("job-1"))
    release_nodes.restore(cluster, "job-1")
    assert not [path for path in server.objects if path.startswith(LEASES)]


def test_nodes_that_are_given_back_already_cost_nothing(server: ApiServer, cluster: Cluster) -> None:
    for number in range(300):
        server.put(f"{LEASES}/node-other-{number}", lease_of("job-2"))
    locks.take(cluster, "gpu-1", "job-1")
    del server.seen[:]
    release_nodes.restore(cluster, "job-1")
    assert len(server.seen) < 10
    assert f"{LEASES}/node-gpu-1" not in server.objects


def test_what_is_locked_as_another_kind_is_not_taken_for_a_node(server: ApiServer, cluster: Cluster) -> None:
    locks.take(cluster, "gpu-1", "job-1", kind="registry")
    release_nodes.restore(cluster, "job-1")
    assert f"{LEASES}/registry-gpu-1" in server.objects


def test_scripts_that_are_being_ended_are_waited_for(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks.take(cluster, "gpu-1", "job-1")
    server.add_pod("step", node="gpu-1", metadata=STEP)
    held_while_it_ran = []

    def the_pod_ends(_seconds: float) -> None:
        held_while_it_ran.append(f"{LEASES}/node-gpu-1" in server.objects)
        del server.objects[f"{PODS}/step"]

    monkeypatch.setattr(time, "sleep", the_pod_ends)
    release_nodes.restore(cluster, "job-1")
    assert held_while_it_ran == [True]
    assert f"{LEASES}/node-gpu-1" not in server.objects


@pytest.mark.usefixtures("impatient")
def test_a_pod_on_a_dead_node_that_began_nothing_is_not_waited_for_for_ever(
    server: ApiServer, cluster: Cluster
) -> None:
    locks.take(cluster, "gpu-1", "job-1")
    server.add_pod("step", node="gpu-1", metadata=STEP)
    release_nodes.restore(cluster, "job-1")
    assert f"{LEASES}/node-gpu-1" not in server.objects


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_nodes, "_PODS_END_SECONDS", 0.05)
    monkeypatch.setattr(release_nodes, "_LOOK_SECONDS", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_node_on_which_a_script_may_still_run_stays_locked_and_cordoned(server: ApiServer, cluster: Cluster) -> None:
    """Its kubelet has been silent for so long that the service marked the pod Failed: the script runs on."""
    for name in NODES[:2]:
        locks.take(cluster, name, "job-1")
        cordon.cordon(cluster, name, "job-1")
        locks.note(cluster, name, "job-1", {labels.WORK_BEGUN: Work("job-1", "boot-1").text()})
    silent = {"nodeInfo": {"bootID": "boot-1"}, "conditions": [{"type": "Ready", "status": "Unknown"}]}
    server.objects["/api/v1/nodes/gpu-1"]["status"] = silent
    ready = [{"type": "Ready", "status": "True"}]
    server.objects["/api/v1/nodes/gpu-2"]["status"] = {"nodeInfo": {"bootID": "boot-1"}, "conditions": ready}
    at_work = [{"name": "main", "state": {"running": {}}}]
    lost = {"phase": "Failed", "reason": "NodeLost", "containerStatuses": at_work}
    server.add_pod("step", node="gpu-1", metadata=STEP, status=lost)
    release_nodes.restore(cluster, "job-1")
    assert cordoned(server) == ["gpu-1"]
    assert f"{LEASES}/node-gpu-1" in server.objects
    assert f"{LEASES}/node-gpu-2" not in server.objects, "no pod of the job is on it"
    at_work[0]["state"] = {"terminated": {"exitCode": 137}}
    release_nodes.restore(cluster, "job-1")
    assert cordoned(server) == []
    assert f"{LEASES}/node-gpu-1" not in server.objects


def test_a_node_that_is_refused_holds_up_no_other_and_is_named(server: ApiServer, cluster: Cluster) -> None:
    for name in NODES:
        locks.take(cluster, name, "job-1")
        cordon.cordon(cluster, name, "job-1")
    server.refused_patches = {"/api/v1/nodes/gpu-1": "denied by policy one", "/api/v1/nodes/gpu-2": "by policy two"}
    with pytest.raises(ClusterError, match=r"node gpu-1: .*policy one; node gpu-2: .*policy two"):
        release_nodes.restore(cluster, "job-1")
    assert cordoned(server) == ["gpu-1", "gpu-2"]
    left = sorted(path.removeprefix(f"{LEASES}/") for path in server.objects if path.startswith(LEASES))
    assert left == ["node-gpu-1", "node-gpu-2"], "whoever gets the Lease next must find the node as it was"


@pytest.mark.parametrize(("fault", "code"), [(503, 75), (403, 1)])
def test_an_api_that_stays_away_is_asked_again_later(  # noqa: PLR0913, PLR0917 - fixtures
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: int, code: int
) -> None:
    locks.take(cluster, "gpu-1", "job-1")
    monkeypatch.setattr(Cluster, "in_pod", lambda: cluster)
    monkeypatch.setattr("sys.argv", ["restore", "--job=job-1"])
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(tmp_path / "last-word"))
    server.faults = [fault] * 10_000
    cluster.patience = 0.05
    assert release_nodes.main() == code
    assert "job-1" in (tmp_path / "last-word").read_text()
    server.faults, cluster.patience = [], 60.0
    assert release_nodes.main() == 0
    assert f"{LEASES}/node-gpu-1" not in server.objects
