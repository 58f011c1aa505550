"""A cluster of the user's own, named by KUBECONFIG: nothing is built; the chart and a first job go there."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_cluster import first_job, product
from local_cluster.binaries import PROGRAMS
from local_cluster.cluster_settings import RELEASE_NAMESPACE, Settings
from local_cluster.handover import Handover
from local_cluster.kubectl import Kubectl
from local_cluster.stages import StageError, Stages


def up(settings: Settings, stages: Stages, kubeconfig: Path, *, with_demo: bool) -> None:
    """Install the chart on the user's own cluster, which has Argo, and run the first job there.

    Raises StageError where it does not answer or has no Argo. The image is OPSJOBS_IMAGE (repository:tag), else
    the chart's own; OPSJOBS_VALUES names a file of values for the chart.
    """
    kubectl = Kubectl(kubeconfig, tool("kubectl", settings))
    with stages.stage("Looking at your cluster") as stage:
        kubectl.run(stage, "get", "--raw", "/readyz")
        if "workflows.argoproj.io" not in kubectl.run(stage, "get", "crds", "-o", "name"):
            raise StageError(f"the cluster of {kubeconfig} has no Argo Workflows; install it there first")
        controllers = kubectl.get(stage, "pods", "--all-namespaces", "-l", "app=workflow-controller")["items"]
    values = os.environ.get("OPSJOBS_VALUES")
    chosen = image_values(os.environ.get("OPSJOBS_IMAGE", ""))
    if not values:
        chosen |= controller_values(controllers)
    with stages.stage("Installing the chart") as stage:
        product.install(kubectl, tool("helm", settings), chosen, Path(values) if values else None, stage)
        port = kubectl.get(stage, "service", "opsjobs", "-n", RELEASE_NAMESPACE)["spec"]["ports"][0]
    if port["name"] == "https":
        raise StageError(
            "installed; but the first job would go through kubectl port-forward to 127.0.0.1, which the certificate of "
            "your values (tls) does not name: try `helm test opsjobs -n opsjobs`, or run make up without tls"
        )
    with forwarded(kubectl, port["port"]) as url:
        handover = Handover(str(kubeconfig), url, argoUrl="", bin="", containers={})
        handover.write()
        with stages.stage("Waiting for the service") as stage:
            product.wait_until_it_answers(handover, stage)
        if with_demo:
            first_job.show(stages, kubectl, handover, [])


def image_values(image: str) -> dict[str, str]:
    """Say an image as the chart's values; one without a tag leaves that to the chart, an empty one leaves all to it."""
    repository, colon, tag = image.rpartition(":")
    if not colon or "/" in tag:
        return {"image.repository": image} if image else {}
    return {"image.repository": repository, "image.tag": tag}


def controller_values(pods: list[dict[str, Any]]) -> dict[str, str]:
    """Say as the chart's value which ServiceAccount Argo's controller runs as; empty: there is not exactly one."""
    accounts = {f"{pod['metadata']['namespace']}:{pod['spec'].get('serviceAccountName', 'default')}" for pod in pods}
    return {"argo.controller": accounts.pop()} if len(accounts) == 1 else {}


def tool(name: str, settings: Settings) -> str:
    """Find a tool on PATH or among what an earlier local cluster built; raises StageError where there is none."""
    built = (program.folder(settings.cache) / name for program in PROGRAMS)
    found = shutil.which(name) or next((str(path) for path in built if path.exists()), None)
    if found is None:
        raise StageError(f"{name} is needed for a cluster of your own, and is not on PATH")
    return found


@contextmanager
def forwarded(kubectl: Kubectl, to: int) -> Iterator[str]:
    """Reach the service of a cluster that is not ours, for as long as the context lasts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(kubectl.program), "--kubeconfig", str(kubectl.kubeconfig), "-n", RELEASE_NAMESPACE]
    with subprocess.Popen(
        [*command, "port-forward", "service/opsjobs", f"{port}:{to}"], stdout=subprocess.DEVNULL
    ) as tunnel:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            tunnel.terminate()
