"""The whole way: from whatever the machine is to a job that ran. One path for our own cluster, one for the user's."""

import fcntl
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_cluster import argo, cluster, daemon, demo, machine, product
from local_cluster.cluster import BIN, KUBECONFIG, Cluster
from local_cluster.handover import Handover
from local_cluster.kubectl import Kubectl
from local_cluster.nodes import Node
from local_cluster.settings import ARGO_NODE_PORT, BUILD, FACADE_NODE_PORT, RELEASE_NAMESPACE, Settings
from local_cluster.stages import StageError, Stages, spoken


def up(settings: Settings, stages: Stages, *, with_demo: bool) -> None:
    """Bring up our cluster, the product on it and the first job through it."""
    begun = time.monotonic()
    with alone(settings, stages):
        machine.prepare(settings, stages)
        local = Cluster(settings, stages)
        local.up()
        with stages.stage("CoreDNS") as stage:
            argo.install_dns(local.kubectl, stage)
        with stages.stage("Argo Workflows") as stage:
            argo.install_argo(settings, local.kubectl, stage)
        handover = _hand_over(local)
        _install(settings, stages, local, handover)
    stages.say(f"Up after {spoken(time.monotonic() - begun)}: {handover.url}")
    if with_demo:
        _run_demo(stages, local.kubectl, handover, local.nodes())


def image(settings: Settings, stages: Stages) -> None:
    """Roll out this checkout on the cluster that runs: the developer's loop."""
    begun = time.monotonic()
    with alone(settings, stages):
        local = Cluster(settings, stages)
        local.adopt()
        _install(settings, stages, local, _hand_over(local))
    stages.say(f"Rolled out after {spoken(time.monotonic() - begun)}")


def up_elsewhere(stages: Stages, kubeconfig: Path, *, with_demo: bool) -> None:
    """Install the chart on the user's own cluster, which has Argo, and run the first job there.

    Raises StageError where the cluster does not answer or has no Argo. Builds nothing; the image is OPSJOBS_IMAGE
    (repository:tag), else the chart's own.
    """
    kubectl = Kubectl(kubeconfig)
    with stages.stage("Looking at your cluster") as stage:
        kubectl.run(stage, "get", "--raw", "/readyz")
        if "workflows.argoproj.io" not in kubectl.run(stage, "get", "crds", "-o", "name"):
            raise StageError(f"the cluster of {kubeconfig} has no Argo Workflows; install it there first")
    named, _, tag = os.environ.get("OPSJOBS_IMAGE", "").rpartition(":")
    chosen = {"image.repository": named, "image.tag": tag} if named else {}
    with stages.stage("Installing the chart") as stage:
        product.install(kubectl, "helm", chosen, None, stage)
    with _forwarded(kubectl) as url:
        handover = Handover(str(kubeconfig), url, argoUrl="", bin="", containers={})
        handover.write()
        with stages.stage("Waiting for the service") as stage:
            product.wait_until_it_answers(url, stage)
        if with_demo:
            _run_demo(stages, kubectl, handover, [])


def down(settings: Settings, stages: Stages) -> None:
    """Leave nothing behind but the cache: containers, volumes, networks, and the daemon if we started it."""
    with alone(settings, stages):
        if not daemon.answers() and machine.cluster_sleeps(settings):
            machine.start_docker(settings, stages)
        if daemon.answers():
            with stages.stage("Removing the cluster"):
                cluster.down(settings)
        machine.stop_docker(settings, stages)
        for file in (KUBECONFIG, BUILD / "cluster.json"):
            file.unlink(missing_ok=True)


@contextmanager
def alone(settings: Settings, stages: Stages) -> Iterator[None]:
    """Hold the machine's one cluster against a second `make up` at the same time, from whichever checkout."""
    with (Path(tempfile.gettempdir()) / f"{settings.name}-local-cluster.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stages.say("Another make is at work on the cluster; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(settings: Settings, stages: Stages, local: Cluster, handover: Handover) -> None:
    tag = product.build_image(settings, stages)
    with stages.stage("Loading the product image") as stage:
        local.load([tag], stage)
    chosen = {"image.tag": tag.rpartition(":")[2], "argo.uiUrl": handover.argoUrl}
    with stages.stage("Installing the chart") as stage:
        product.install(local.kubectl, BIN / "helm", chosen, product.VALUES, stage)
    with stages.stage("Waiting for the service") as stage:
        product.wait_until_it_answers(handover.url, stage)


def _hand_over(local: Cluster) -> Handover:
    nodes = local.nodes()
    address = nodes[0].address.ip
    handover = Handover(
        kubeconfig=str(KUBECONFIG),
        url=f"http://{address}:{FACADE_NODE_PORT}",
        argoUrl=f"http://{address}:{ARGO_NODE_PORT}",
        bin=str(BIN),
        containers={node.name: node.container_name for node in nodes},
    )
    handover.write()
    return handover


def _run_demo(stages: Stages, kubectl: Kubectl, handover: Handover, nodes: list[Node]) -> None:
    with stages.stage("A token and an addon template") as stage:
        bearer = demo.prepare(kubectl, stage)
        targets = demo.open_nodes(kubectl, stage)
    job = demo.run(handover.url, bearer, targets)
    read_back = {node.name: node.execute("cat", demo.WRITTEN)[1].strip() for node in nodes if node.name in targets}
    demo.tell(job, read_back)
    demo.how_to_go_on(handover, job["jobId"], ours=bool(nodes))
    if job["phase"] != "Succeeded":
        raise StageError(f"the first job ended {job['phase']}")


@contextmanager
def _forwarded(kubectl: Kubectl) -> Iterator[str]:
    """Reach the service of a cluster that is not ours, for as long as the context lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(kubectl.program), "--kubeconfig", str(kubectl.kubeconfig), "-n", RELEASE_NAMESPACE]
    with subprocess.Popen(
        [*command, "port-forward", "service/opsjobs", f"{port}:80"], stdout=subprocess.DEVNULL
    ) as tunnel:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            tunnel.terminate()
