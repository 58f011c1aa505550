"""Nodes, the loans on them and the pods on lost ones, in a real cluster."""

from typing import Any

import pytest

from service.domain.cluster_objects import Taint
from service.kube.client import Api, KubeSettings
from service.kube.node_locks import NodeLocks
from service.kube.nodes import nodes
from service.kube.stuck_pods import end_stuck_pods
from tests.e2e.live import Cluster, wait_for
from tests.kube.conftest import pod

STEP = {"workflows.argoproj.io/workflow": "job-1"}


@pytest.fixture
def locks(api: Api, settings: KubeSettings) -> NodeLocks:
    return NodeLocks(api, settings)


def lock_node(cluster: Cluster, settings: KubeSettings, node: str, holder: str) -> None:
    cluster.apply(
        {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": f"node-{node}", "namespace": settings.jobs_namespace},
            "spec": {"holderIdentity": holder},
        }
    )


def mark(cluster: Cluster, node: str, job_id: str, before: str) -> None:
    cluster.kubectl("cordon", node)
    cluster.kubectl("annotate", "node", node, f"opsjob.io/cordoned-by={job_id}", f"opsjob.io/cordoned-before={before}")


def lease(cluster: Cluster, settings: KubeSettings, node: str) -> Any:
    return cluster.get("lease", f"node-{node}", "-n", settings.jobs_namespace)


async def test_real_nodes_are_ready_and_the_control_plane_is_known(api: Api, cluster: Cluster) -> None:
    found = {node.name: node for node in await nodes(api)}
    for name in cluster.nodes():
        assert found[name].ready
        assert not found[name].control_plane
    assert [node for node in found.values() if node.control_plane]


async def test_a_node_that_never_came_up_a_cordon_and_a_taint(api: Api, cluster: Cluster, ghost: str) -> None:
    cluster.kubectl("cordon", ghost)
    cluster.kubectl("taint", "node", ghost, "gpu=broken:NoExecute")
    wait_for(
        "Kubernetes to taint the node itself",
        lambda: "unschedulable" in str(cluster.get("node", ghost)["spec"].get("taints")),
        60,
    )
    found = {node.name: node for node in await nodes(api)}[ghost]
    assert (found.ready, found.cordoned) == (False, True)
    assert found.taints == (Taint("gpu", "NoExecute", "broken"),)


async def test_holders_are_those_of_leases_and_of_marks(
    cluster: Cluster, settings: KubeSettings, locks: NodeLocks, ghost: str
) -> None:
    lock_node(cluster, settings, "elsewhere", "job-1")
    lock_node(cluster, settings, ghost, "job-2")
    assert (await locks.holders()).items() >= {"elsewhere": "job-1", ghost: "job-2"}.items()
    mark(cluster, ghost, "job-3", "false")
    assert (await locks.holders())[ghost] == "job-3"


@pytest.mark.parametrize(("before", "cordoned"), [("false", False), ("true", True)])
async def test_a_node_is_given_back_as_it_was(  # noqa: PLR0913, PLR0917 - fixtures
    cluster: Cluster,
    settings: KubeSettings,
    locks: NodeLocks,
    ghost: str,
    before: str,
    cordoned: bool,  # noqa: FBT001 - data
) -> None:
    lock_node(cluster, settings, ghost, "job-1")
    mark(cluster, ghost, "job-1", before)
    await locks.give_back_node(ghost, "job-1")
    assert cluster.cordon_of(ghost) == (cordoned, {})
    assert lease(cluster, settings, ghost) is None


async def test_what_another_job_holds_is_left_alone(
    cluster: Cluster, settings: KubeSettings, locks: NodeLocks, ghost: str
) -> None:
    lock_node(cluster, settings, ghost, "job-2")
    mark(cluster, ghost, "job-2", "false")
    await locks.give_back_node(ghost, "job-1")
    assert cluster.cordon_of(ghost)[0]
    assert lease(cluster, settings, ghost)["spec"]["holderIdentity"] == "job-2"


async def test_giving_back_a_node_that_is_gone_frees_its_lease(
    cluster: Cluster, settings: KubeSettings, locks: NodeLocks
) -> None:
    lock_node(cluster, settings, "kubetest-gone", "job-1")
    await locks.give_back_node("kubetest-gone", "job-1")
    assert lease(cluster, settings, "kubetest-gone") is None


async def test_step_pods_of_a_node_that_is_not_ready_are_given_up(
    api: Api, cluster: Cluster, settings: KubeSettings, ghost: str
) -> None:
    space = settings.jobs_namespace
    cluster.apply(pod("step", space, ghost, labels=STEP), pod("other", space, ghost))
    assert await end_stuck_pods(api, settings, not_ready_seconds=3_600) == {}
    assert cluster.get("pod", "step", "-n", space)
    assert list(await end_stuck_pods(api, settings, not_ready_seconds=0)) == ["step"]
    given_up, other = (cluster.get("pod", name, "-n", space)["status"] for name in ("step", "other"))
    assert given_up["phase"] == "Failed"
    assert ghost in given_up["message"]
    assert other["phase"] == "Pending"
    assert await end_stuck_pods(api, settings, not_ready_seconds=0) == {}


async def test_a_report_is_closed_when_its_pod_is_gone(
    api: Api, cluster: Cluster, settings: KubeSettings, ghost: str
) -> None:
    """What a force-deleted pod, or one whose node went down, leaves behind: Argo would wait for it for ever."""
    space, label = settings.jobs_namespace, "workflows.argoproj.io/report-outputs-completed"
    working = pod("working", space, ghost, labels=STEP)
    working["metadata"]["annotations"] = {"workflows.argoproj.io/node-id": "job-1-working"}
    cluster.apply(working, *(result(name, space, label) for name in ("job-1-working", "job-1-gone")))
    assert await end_stuck_pods(api, settings, not_ready_seconds=3_600) == {}
    states = {
        item["metadata"]["name"]: item["metadata"]["labels"][label]
        for item in cluster.items("workflowtaskresults", "-n", space)
    }
    assert states == {"job-1-working": "false", "job-1-gone": "true"}
    cluster.kubectl("delete", "pod", "working", "-n", space, "--grace-period=0", "--force")


def result(name: str, namespace: str, label: str) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTaskResult",
        "metadata": {"name": name, "namespace": namespace, "labels": {label: "false"}},
    }


async def test_step_pods_of_healthy_nodes_stay(api: Api, cluster: Cluster, settings: KubeSettings) -> None:
    space, node = settings.jobs_namespace, cluster.nodes()[0]
    cluster.apply(pod("healthy", space, node, labels=STEP))
    assert await end_stuck_pods(api, settings, not_ready_seconds=0) == {}
    assert cluster.get("pod", "healthy", "-n", space)
    cluster.kubectl("delete", "pod", "healthy", "-n", space, "--wait=false")
