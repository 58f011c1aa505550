"""The whole way on our own cluster: from whatever the machine is to a job that ran."""

import fcntl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_cluster import (
    argo,
    binaries,
    certificate,
    cluster,
    daemon,
    first_job,
    machine,
    product,
    registries,
    s3_server,
)
from local_cluster.cluster import BIN, KUBECONFIG, Cluster
from local_cluster.cluster_settings import ARGO_NODE_PORT, BUILD, FACADE_NODE_PORT, STORE_NODE_PORT, Settings
from local_cluster.handover import Handover
from local_cluster.stages import Stages, spoken


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
            argo.install_argo(settings, local.kubectl, local.nodes()[0], stage)
        with stages.stage("Object store") as stage:
            s3_server.install(local.kubectl, stage)
        with stages.stage("Registries") as stage:
            registries.install(settings, local.kubectl, local.nodes(), stage)
        handover = _hand_over(local)
        _install(settings, stages, local, handover)
    stages.say(f"Up after {spoken(time.monotonic() - begun)}: {handover.url}")
    if with_demo:
        first_job.show(stages, local.kubectl, handover, local.nodes())


def prepare(settings: Settings, stages: Stages) -> None:
    """Install the packages and build the programs that a cluster and its tests need."""
    with alone(settings, stages):
        machine.prepare(settings, stages)
        binaries.build_all(stages, settings.cache)
        binaries.link_all(settings.cache, BIN)


def image(settings: Settings, stages: Stages) -> None:
    """Roll out this checkout on the cluster that runs: the developer's loop."""
    begun = time.monotonic()
    with alone(settings, stages):
        local = Cluster(settings, stages)
        local.adopt()
        _install(settings, stages, local, _hand_over(local))
    stages.say(f"Rolled out after {spoken(time.monotonic() - begun)}")


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
    chosen = {
        "image.tag": tag.rpartition(":")[2],
        "argo.uiUrl": handover.argoUrl,
        "objectStore.publicEndpoint": handover.storeUrl,
    }
    with stages.stage("Installing the chart") as stage:
        certificate.install(certificate.OPSJOBS, local.kubectl, local.nodes()[0], stage)
        s3_server.share_keys_with_service(local.kubectl, stage)
        product.install(local.kubectl, BIN / "helm", chosen, product.VALUES, stage, sets_back=True)
        s3_server.share_keys_with_steps(local.kubectl, stage)
        registries.share_account(local.kubectl, local.nodes(), stage)
        argo.let_people_read(local.kubectl, stage)
    with stages.stage("Waiting for the service") as stage:
        product.wait_until_it_answers(handover, stage)


def _hand_over(local: Cluster) -> Handover:
    nodes = local.nodes()
    address = nodes[0].address.ip
    handover = Handover(
        kubeconfig=str(KUBECONFIG),
        url=f"https://{address}:{FACADE_NODE_PORT}",
        argoUrl=f"https://{address}:{ARGO_NODE_PORT}",
        bin=str(BIN),
        containers={node.name: node.container_name for node in nodes},
        storeUrl=f"http://{address}:{STORE_NODE_PORT}",
        ca=str(certificate.AUTHORITY),
    )
    handover.write()
    return handover
