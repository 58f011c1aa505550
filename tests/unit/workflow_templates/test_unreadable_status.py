"""Steps of a job whose entries Argo keeps in a database of its own (ALWAYS_OFFLOAD_NODE_STATUS)."""

from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import WORKFLOWS, ApiServer
from workflow_templates.addon import evaluate, failure_limit
from workflow_templates.kubernetes_api import Cluster, ClusterError
from workflow_templates.preflight import report

OFFLOADED: dict[str, Any] = {
    "metadata": {"name": "job-1"},
    "spec": {"arguments": {"parameters": [{"name": "nodes", "value": '["n1", "n2"]'}]}},
    "status": {"phase": "Running", "offloadNodeStatusVersion": "fnv:784127654"},
}


def test_nodes_are_not_counted_as_failed(server: ApiServer, cluster: Cluster) -> None:
    """They were: 0 of 2 nodes succeeded."""
    server.put(f"{WORKFLOWS}/job-1", OFFLOADED)
    with pytest.raises(ClusterError, match="nodeStatusOffLoad"):
        evaluate.evaluate(cluster, "job-1", 2)
    with pytest.raises(ClusterError, match="nodeStatusOffLoad"):
        failure_limit.failed_before(cluster, "job-1")


def test_preflight_ends(server: ApiServer, cluster: Cluster) -> None:
    """Nor is a report written of checks that nobody can see."""
    server.put(f"{WORKFLOWS}/job-1", OFFLOADED)
    with pytest.raises(ClusterError, match="nodeStatusOffLoad"):
        report.tested(cluster, "job-1")
