"""The end of a preflight job: no check is left, and no node is given back on which one may go on."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, ApiServer
from workflow_templates import locks
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.preflight import preflight_clean_up

CHECKS = "opsjobs-checks"
PODS = f"/api/v1/namespaces/{CHECKS}/pods"
JOB = "job-1"


@pytest.fixture(autouse=True)
def quick(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["clean_up", f"--job={JOB}", f"--namespace={CHECKS}"])
    monkeypatch.setattr(Cluster, "in_pod", lambda: cluster)
    monkeypatch.setattr(preflight_clean_up, "_END_SECONDS", 0.2)
    monkeypatch.setattr(preflight_clean_up, "_LOOK_SECONDS", 0.01)


def check(server: ApiServer, name: str, node: str, job: str = JOB, **metadata: Any) -> None:
    server.add_pod(name, node=node, namespace=CHECKS, metadata={"labels": {"opsjob.io/job-id": job}, **metadata})


def ready(server: ApiServer, node: str, status: str) -> None:
    conditions = [{"type": "Ready", "status": status, "lastTransitionTime": "2026-01-02T03:04:05Z"}]
    server.put(f"/api/v1/nodes/{node}", {"status": {"conditions": conditions, "nodeInfo": {"bootID": f"boot-{node}"}}})


def test_what_is_left_of_the_jobs_checks_is_deleted_and_its_nodes_are_free(
    server: ApiServer, cluster: Cluster, termination_message: Path
) -> None:
    ready(server, "a", "True")
    check(server, "ours", "a")
    check(server, "others", "b", job="job-2")
    locks.take(cluster, "a", JOB)
    assert preflight_clean_up.main() == 0
    assert [path for path in server.objects if path.startswith(PODS)] == [f"{PODS}/others"]
    assert f"{LEASES}/node-a" not in server.objects
    assert not termination_message.exists()


def test_a_node_that_does_not_report_the_end_stays_locked(server: ApiServer, cluster: Cluster) -> None:
    """Its pod is on its way out for as long as its kubelet is away, and its script may run."""
    for node, status in (("a", "Unknown"), ("b", "True")):
        ready(server, node, status)
        locks.take(cluster, node, JOB)
    check(server, "silent", "a", deletionTimestamp="2026-01-02T03:04:05Z")
    assert preflight_clean_up.main() == 0
    assert f"{LEASES}/node-a" in server.objects
    assert f"{LEASES}/node-b" not in server.objects
