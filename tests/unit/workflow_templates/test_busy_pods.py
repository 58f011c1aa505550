"""What keeps a node from being worked on (contract: securityUpgrade)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workflow_templates.apiserver import NAMESPACE, ApiServer
from workflow_templates import busy_pods
from workflow_templates.kubernetes_api import Cluster, Object

OURS: dict[str, Any] = {"labels": {"workflows.argoproj.io/workflow": "job-1"}}


def pod(namespace: str = "team", phase: str = "Running", **metadata: Any) -> Object:
    return {"metadata": {"name": "p", "namespace": namespace, **metadata}, "status": {"phase": phase}}


CASES = {
    "a running pod": (pod(), True),
    "one that is only bound yet": (pod(phase="Pending"), True),
    "one that nobody has reported on": (pod(phase="Unknown"), True),
    "one that is being deleted": (pod(deletionTimestamp="2026-01-01T00:00:00Z"), True),
    "a Deployment's": (pod(ownerReferences=[{"kind": "ReplicaSet", "controller": True}]), True),
    "a custom workload's": (pod(ownerReferences=[{"kind": "PyTorchJob", "controller": True}]), True),
    "a DaemonSet's": (pod(ownerReferences=[{"kind": "DaemonSet", "controller": True}]), False),
    "one that only refers to a DaemonSet": (pod(ownerReferences=[{"kind": "DaemonSet"}]), True),
    "a mirror pod": (pod(annotations={"kubernetes.io/config.mirror": "hash"}), False),
    "one that succeeded": (pod(phase="Succeeded"), False),
    "one that failed": (pod(phase="Failed"), False),
    "one of this job": (pod(namespace=NAMESPACE, **OURS), False),
    "one of another job": (pod(namespace=NAMESPACE, labels={"workflows.argoproj.io/workflow": "job-2"}), True),
    "one that claims to be of this job elsewhere": (pod(namespace="team", **OURS), True),
    "the cluster's own machinery": (pod(namespace="kube-system"), False),
}


@pytest.mark.parametrize(("item", "counts"), CASES.values(), ids=CASES.keys())
def test_which_pods_count(item: Object, counts: bool) -> None:  # noqa: FBT001
    assert busy_pods.is_workload(item, "job-1", NAMESPACE, {"kube-system", "argo"}) is counts


@given(st.lists(st.sampled_from(list(CASES.values()))))
def test_a_node_is_idle_when_nothing_on_it_counts(items: list[tuple[Object, bool]]) -> None:
    busy = busy_pods.workload([item for item, _ in items], "job-1", NAMESPACE, {"kube-system"})
    assert len(busy) == sum(counts for _, counts in items)


def test_only_this_nodes_pods_are_looked_at_in_every_namespace(server: ApiServer, cluster: Cluster) -> None:
    server.add_pod("train-0", node="gpu-1", namespace="team-a")
    server.add_pod("train-1", node="gpu-1", namespace="team-b")
    server.add_pod("train-2", node="gpu-2", namespace="team-b")
    server.add_pod("done", node="gpu-1", namespace="team-b", status={"phase": "Succeeded"})
    server.add_pod("step", node="gpu-1", metadata=OURS)
    assert busy_pods.on_node(cluster, "gpu-1", "job-1", {"kube-system"}) == ["team-a/train-0", "team-b/train-1"]
    assert busy_pods.on_node(cluster, "gpu-3", "job-1", set()) == []
