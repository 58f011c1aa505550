"""The local cluster's nodes are machines: a reboot is a reboot, and what ran on a node runs on it again."""

from typing import Any

import pytest

from tests.e2e.live import Cluster, wait_for

NAMESPACE = "default"
NAME = "e2e-greeter"


@pytest.fixture
def node(idle_node: str) -> str:
    return idle_node


@pytest.fixture
def greeter(cluster: Cluster, node: str) -> Any:
    """A web server in a pod on the node, behind a service."""
    command = [
        "/bin/busybox",
        "sh",
        "-c",
        "mkdir -p /tmp/w && echo hello > /tmp/w/index.html && httpd -f -p 8080 -h /tmp/w",
    ]
    container = {"name": "web", "image": "busybox:opsjobs", "imagePullPolicy": "Never", "command": command}
    pin = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [pin]}}}
    metadata = {"name": NAME, "namespace": NAMESPACE, "labels": {"app": NAME}}
    spec = {"affinity": affinity, "containers": [container], "terminationGracePeriodSeconds": 0}
    ports = [{"port": 80, "targetPort": 8080}]
    cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": {"app": NAME}, "ports": ports},
        },
    )
    yield cluster.get("service", NAME, "-n", NAMESPACE)["spec"]["clusterIP"]
    cluster.kubectl("delete", "pod,service", NAME, "-n", NAMESPACE, "--wait=false")


def greeting(cluster: Cluster, address: str, asking: str) -> str:
    """What the service answers, asked from another node through kube-proxy and the routes between nodes."""
    ask = f"exec 3<>/dev/tcp/{address}/80 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"
    return cluster.on_host(asking, "timeout", "2", "bash", "-c", ask, check=False)


def boot_id(cluster: Cluster, node: str) -> str:
    return str(cluster.get("node", node)["status"]["nodeInfo"]["bootID"])


def ready(cluster: Cluster, node: str) -> bool:
    conditions = cluster.get("node", node)["status"]["conditions"]
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def test_a_rebooted_node_comes_back_with_its_pods_and_its_routes(
    cluster: Cluster, node: str, greeter: str, workload_nodes: list[str]
) -> None:
    asking = workload_nodes[0]
    wait_for("an answer before the reboot", lambda: "hello" in greeting(cluster, greeter, asking))
    before = boot_id(cluster, node)

    cluster.on_host(node, "systemctl", "reboot")

    wait_for("another boot id", lambda: boot_id(cluster, node) != before and ready(cluster, node))
    pod = wait_for("the pod to have started again", lambda: restarted(cluster))
    assert pod["spec"]["nodeName"] == node
    wait_for("an answer after the reboot", lambda: "hello" in greeting(cluster, greeter, asking))
    assert cluster.on_host(node, "systemctl", "is-system-running").strip() == "running"


def restarted(cluster: Cluster) -> Any:
    pod = cluster.get("pod", NAME, "-n", NAMESPACE)
    (state,) = pod["status"]["containerStatuses"]
    return pod if state["restartCount"] and state.get("ready") else None
