"""A reboot waits until the volumes of the evicted pods are detached (contract)."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import ApiServer
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.reboot import attached_volumes, evict, stage
from workflow_templates.reboot.evict import Eviction

ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
NODE = "/api/v1/nodes/gpu-1"


def node(server: ApiServer, ready: str = "True") -> None:
    server.put(NODE, {"spec": {}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})


def volume(server: ApiServer, name: str, claim: str, on: str = "gpu-1") -> None:
    """A persistent volume of the claim `team/…`, attached to a node."""
    claim_ref = {"namespace": "team", "name": claim}
    server.put(f"/api/v1/persistentvolumes/{name}", {"spec": {"claimRef": claim_ref} if claim else {}})
    source = {"persistentVolumeName": name}
    server.put(f"{ATTACHMENTS}/csi-{name}", {"spec": {"nodeName": on, "source": source}, "status": {"attached": True}})


def eviction(since: datetime) -> Eviction:
    return Eviction("job-1", "gpu-1", since, 60, unmanaged=False, empty_dir=True, kept=frozenset())


def test_a_volume_that_is_attached_is_waited_for(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    node(server)
    volume(server, "pv-1", "data-0")
    looks: list[float] = []

    def detached_at_the_third_look(_seconds: float) -> None:
        looks.append(0)
        if len(looks) == 3:
            del server.objects[f"{ATTACHMENTS}/csi-pv-1"]

    monkeypatch.setattr(evict, "time", SimpleNamespace(sleep=detached_at_the_third_look, monotonic=lambda: 0.0))
    emptying = eviction(cluster.now())
    emptying.begun = 0.0
    assert evict.empty(cluster, emptying) == "node gpu-1 is empty"
    assert len(looks) == 3


def test_and_named_when_the_time_is_up(server: ApiServer, cluster: Cluster) -> None:
    node(server)
    volume(server, "pv-1", "data-0")
    with pytest.raises(stage.FailedError, match=r"after 60 s volume of claim team/data-0 is still attached$"):
        evict.empty(cluster, eviction(datetime.now(UTC) - timedelta(seconds=90)))


def test_a_volume_of_a_pod_that_stays_is_not(server: ApiServer, cluster: Cluster) -> None:
    node(server)
    claims: list[Any] = [
        {"name": "v", "persistentVolumeClaim": {"claimName": "data-0"}},
        {"name": "tmp", "ephemeral": {}},
    ]
    server.add_pod("agent", node="gpu-1", namespace="team")
    server.objects["/api/v1/namespaces/team/pods/agent"]["spec"]["volumes"] = claims
    volume(server, "pv-1", "data-0")
    volume(server, "pv-2", "agent-tmp")
    volume(server, "pv-3", "")
    volume(server, "pv-4", "data-1", on="gpu-2")
    assert attached_volumes.attached(cluster, "gpu-1") == []


def test_nor_is_any_on_a_node_that_is_not_ready(server: ApiServer, cluster: Cluster) -> None:
    node(server, ready="Unknown")
    volume(server, "pv-1", "data-0")
    assert attached_volumes.attached(cluster, "gpu-1") == []
