"""Two nodes of the control plane are never down at the same time, whatever jobs ask (contract: reboot)."""

from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer
from workflow_templates import cordon, locks
from workflow_templates.cluster import Cluster
from workflow_templates.host import Host
from workflow_templates.reboot import clean_up, reboot, stage
from workflow_templates.reboot import lock_node as locking
from workflow_templates.reboot import release as releasing

TURN = f"{LEASES}/control-plane-reboot"


def machine(server: ApiServer, name: str, *, ready: str = "True", role: str = "control-plane") -> None:
    labels = {f"node-role.kubernetes.io/{role}": ""}
    status = {"nodeInfo": {"bootID": "boot-id-1"}, "conditions": [{"type": "Ready", "status": ready}]}
    server.put(f"/api/v1/nodes/{name}", {"metadata": {"labels": labels}, "spec": {}, "status": status})


@pytest.fixture(autouse=True)
def three(server: ApiServer) -> None:
    for name in ("cp-1", "cp-2", "cp-3"):
        machine(server, name)
    machine(server, "gpu-1", role="worker")
    for job in ("job-1", "job-2"):
        server.put(f"{WORKFLOWS}/{job}", {"spec": {}})


def test_the_second_job_waits_for_the_first(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    locking.take(cluster, "cp-1", "job-1")
    with pytest.raises(locks.HeldError, match=r"one node at a time is rebooted, and job job-1 is at node cp-1"):
        locking.take(cluster, "cp-2", "job-2")
    locking.take(cluster, "gpu-1", "job-2")
    monkeypatch.setattr(Cluster, "in_pod", lambda: cluster)
    monkeypatch.setattr("sys.argv", ["release", "--job=job-1", "--node=cp-1"])
    assert releasing.main() == 0
    assert TURN not in server.objects
    assert locking.take(cluster, "cp-2", "job-2") == "node cp-2 is locked by job job-2"


def test_none_goes_down_while_another_is_not_ready(server: ApiServer, cluster: Cluster) -> None:
    machine(server, "cp-3", ready="Unknown")
    with pytest.raises(stage.WaitError, match="waits until the others are Ready: cp-3 is not"):
        locking.take(cluster, "cp-1", "job-1")
    assert TURN not in server.objects
    assert locking.take(cluster, "cp-3", "job-2"), "the one that is not may be rebooted, to become Ready"


def test_that_is_looked_at_again_before_the_host_hears_of_it(server: ApiServer, cluster: Cluster, host: Host) -> None:
    locking.take(cluster, "cp-1", "job-1")
    cordon.cordon(cluster, "cp-1", "job-1")
    machine(server, "cp-2", ready="False")
    with pytest.raises(stage.FailedError, match="cp-2 is not"):
        reboot.signal(cluster, host, "cp-1", "boot-id-1", "true\n", 1800)
    assert not list(host.root.rglob("*"))


def test_the_clean_up_gives_the_turn_back(server: ApiServer, cluster: Cluster) -> None:
    locking.take(cluster, "cp-1", "job-1")
    clean_up.clean_up(cluster, "job-1", 1800)
    assert not [path for path in server.objects if path.startswith(LEASES)]


@pytest.mark.parametrize("key", ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"])
def test_a_taint_tells_it_too(server: ApiServer, cluster: Cluster, key: str) -> None:
    taints: Any = {"taints": [{"key": key, "effect": "NoSchedule"}]}
    server.put("/api/v1/nodes/old", {"spec": taints})
    with pytest.raises(stage.WaitError, match="old is not"):
        locking.take(cluster, "cp-1", "job-1")
