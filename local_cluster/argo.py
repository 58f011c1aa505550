"""CoreDNS and Argo Workflows: the official manifests, with what a small cluster needs changed in them."""

from pathlib import Path
from typing import Any

import yaml

from local_cluster import image_builds
from local_cluster.binaries import ARGO
from local_cluster.cluster_settings import ARGO_NODE_PORT, ARGO_VERSION, Settings
from local_cluster.kubectl import Kubectl
from local_cluster.stages import Stage

MANIFESTS = Path(__file__).parent / "manifests"
NAMESPACE = "argo"
CONTROL_PLANE_ROLE = "node-role.kubernetes.io/control-plane"
CONTROLLER_ENVIRONMENT = {
    # How soon a finished pod is noticed; the default of 10 s makes a row of short steps wait rather than work. Less
    # than a second only together with the next: what the controller wrote it must not read back older.
    "DEFAULT_REQUEUE_TIME": "300ms",
    # 4.0.x sleeps a second after every update without it.
    "INFORMER_WRITE_BACK": "true",
}
CONTROLLER_ARGUMENTS = ["--qps=100", "--burst=200"]
# Two Events for each step and its retries are a quarter of a large job's requests, and say what the Workflow says.
CONTROLLER_CONFIGURATION = {"nodeEvents": "enabled: false\n"}
# Plain HTTP: the server has no certificate that a client could check, and only this machine reaches it.
SERVER_ARGUMENTS = ["server", "--auth-mode=server", "--auth-mode=client", "--secure=false"]


def install_dns(kubectl: Kubectl, stage: Stage) -> None:
    manifest = MANIFESTS / "coredns.yaml"
    objects = list(yaml.safe_load_all(manifest.read_text()))
    (deployment,) = (item for item in objects if item["kind"] == "Deployment")
    # Its own reload comes a minute later, and what is installed next asks for new names.
    deployment["spec"]["template"]["metadata"]["annotations"] = {image_builds.MARK: image_builds.digest([], manifest)}
    kubectl.apply(stage, *objects)
    kubectl.rollout(stage, "kube-system", "deployment/coredns")


def install_argo(settings: Settings, kubectl: Kubectl, stage: Stage) -> None:
    """Install Argo's controller and server cluster-wide in namespace `argo`, and wait until both run."""
    manifests = ARGO.folder(settings.cache) / "manifests"
    definitions = kubectl.run(stage, "kustomize", str(manifests / "base" / "crds" / "minimal"))
    official = kubectl.run(stage, "kustomize", str(manifests / "cluster-install-no-crds"))
    kubectl.apply(stage, *yaml.safe_load_all(definitions))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    kubectl.apply(stage, namespace, *(fitted(one) for one in yaml.safe_load_all(official)))
    for deployment in ("workflow-controller", "argo-server"):
        kubectl.rollout(stage, NAMESPACE, f"deployment/{deployment}")


def fitted(manifest: dict[str, Any]) -> dict[str, Any]:
    """Fit one official object to the local cluster: local images, a fast controller, a server to reach."""
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    if kind == "Deployment":
        pod = manifest["spec"]["template"]["spec"]
        # Where nodes reboot and drain for a living, the engine stands aside, on the control plane.
        pod["nodeSelector"] = {CONTROL_PLANE_ROLE: ""}
        pod["tolerations"] = [{"key": CONTROL_PLANE_ROLE, "operator": "Exists"}]
        container = pod["containers"][0]
        container["image"] = container["image"].replace(":latest", f":v{ARGO_VERSION}")
        (_fit_controller if name == "workflow-controller" else _fit_server)(container)
    elif kind == "ConfigMap" and name == "workflow-controller-configmap":
        manifest["data"] = CONTROLLER_CONFIGURATION
    elif kind == "Service" and name == "argo-server":
        manifest["spec"]["type"] = "NodePort"
        manifest["spec"]["ports"][0]["nodePort"] = ARGO_NODE_PORT
    return manifest


def _fit_controller(container: dict[str, Any]) -> None:
    container["env"] += [{"name": name, "value": value} for name, value in CONTROLLER_ENVIRONMENT.items()]
    container["args"] = [*container.get("args", []), *CONTROLLER_ARGUMENTS]


def _fit_server(container: dict[str, Any]) -> None:
    container["args"] = SERVER_ARGUMENTS
    container["readinessProbe"]["httpGet"]["scheme"] = "HTTP"
    container["readinessProbe"].update(initialDelaySeconds=1, periodSeconds=3)
