"""Nodes that may be rebooted, and pods on them; all of it as it was after each test."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.cluster_fixtures import Take
from tests.e2e.live import WORKLOADS, Cluster, wait_for
from tests.e2e.reboot.machines import NAMESPACE, docker, owner, running


@pytest.fixture
def pair(cluster: Cluster, idle_nodes: Take) -> Iterator[list[str]]:
    """Two nodes that hold no pod which may not be evicted."""
    mine = idle_nodes(2)
    with as_they_were(cluster, *mine):
        yield mine


@pytest.fixture
def node(cluster: Cluster, idle_node: str) -> Iterator[str]:
    with as_they_were(cluster, idle_node):
        yield idle_node


@pytest.fixture
def free(cluster: Cluster, nodes: Take) -> Iterator[list[str]]:
    """Three workers or more that hold no pod which may not be evicted; other tests' pods take a while to end."""
    names = nodes(4)

    def found() -> list[str]:
        pods = cluster.items("pods", "-A", "--field-selector", "status.phase!=Succeeded,status.phase!=Failed")
        lonely = {pod["spec"].get("nodeName") for pod in pods if not pod["metadata"].get("ownerReferences")}
        return [name for name in names if name not in lonely]

    with as_they_were(cluster, *names):
        yield wait_for("three workers that may be emptied", lambda: found() if len(found()) > 2 else [])


@pytest.fixture
def control_plane(cluster: Cluster) -> Iterator[str]:
    with as_they_were(cluster, "control-plane"):
        yield "control-plane"


@contextmanager
def as_they_were(cluster: Cluster, *names: str) -> Iterator[None]:
    """Nodes are up, Ready and not cordoned after the block, whatever it did to them."""
    try:
        yield
    finally:
        for name in names:
            container = cluster.facts["containers"][name]
            docker("update", "--restart=always", container)
            docker("start", container)
        workers = set(names) - {"control-plane"}
        wait_for("the nodes to be Ready again", lambda: workers <= set(cluster.nodes()))
        for name in workers:
            cluster.on_host(name, "systemctl", "unmask", "--runtime", "reboot.target", check=False)
            cluster.kubectl("uncordon", name)
            cluster.kubectl("annotate", "node", name, "opsjob.io/left-cordoned-")


@pytest.fixture
def guests(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """Have pods of a Deployment `web` (which would rather run on the node) and of a DaemonSet `agent` run on it."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})

    def invite(node: str, *, budget: bool = False) -> None:
        here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        elsewhere = {
            "matchExpressions": [{"key": key, "operator": "In", "values": [value]} for key, value in WORKLOADS.items()]
        }
        only = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [here]}}
        rather = {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": here}],
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [here, elsewhere]},
        }
        manifests = [owner("Deployment", "web", rather, replicas=1), owner("DaemonSet", "agent", only)]
        if budget:
            spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
            metadata = {"name": "web-stays", "namespace": NAMESPACE}
            manifests.append(
                {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
            )
        cluster.apply(*manifests)
        wait_for("the guests to run", lambda: len(running(cluster, node)) == 2)

    yield invite
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=300s")
