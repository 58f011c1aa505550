"""Nodes that may be rebooted, and pods on them; all of it as it was after each test."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.live import Cluster, wait_for
from tests.e2e.reboot.machines import NAMESPACE, docker, owner, running


@pytest.fixture(autouse=True)
def workers(cluster: Cluster) -> Iterator[list[str]]:
    """All four, Ready before the test, and after it, whatever it did to them."""
    if not cluster.facts["containers"]:
        pytest.skip("the nodes of a cluster that is not ours are not rebooted")
    names = sorted(set(cluster.facts["containers"]) - {"control-plane"})
    wait_for("all nodes to be Ready", lambda: cluster.nodes() == names)
    yield names
    for name in (*names, "control-plane"):
        container = cluster.facts["containers"][name]
        docker("update", "--restart=always", container)
        docker("start", container)
    wait_for("all nodes to be Ready again", lambda: cluster.nodes() == names)
    for name in names:
        cluster.on_host(name, "systemctl", "unmask", "--runtime", "reboot.target", check=False)
        cluster.kubectl("uncordon", name)
        cluster.kubectl("annotate", "node", name, "opsjob.io/left-cordoned-")


@pytest.fixture
def free(cluster: Cluster, workers: list[str]) -> list[str]:
    """Three workers or more that hold no pod which may not be evicted; other tests' pods take a while to end."""

    def found() -> list[str]:
        pods = cluster.items("pods", "-A", "--field-selector", "status.phase!=Succeeded,status.phase!=Failed")
        lonely = {pod["spec"].get("nodeName") for pod in pods if not pod["metadata"].get("ownerReferences")}
        return [name for name in workers if name not in lonely]

    return wait_for("three workers that may be emptied", lambda: found() if len(found()) > 2 else [])


@pytest.fixture
def node(free: list[str]) -> str:
    return free[-1]


@pytest.fixture
def guests(cluster: Cluster, node: str) -> Iterator[Callable[..., None]]:
    """Have pods of a Deployment `web` (which would rather run on the node) and of a DaemonSet `agent` run there."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})

    def invite(*, budget: bool = False) -> None:
        here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        rather = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": here}]}
        only = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [here]}}
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
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=120s")
