"""CoreDNS and Argo Workflows: the official manifests, with what a small cluster needs changed in them."""

from pathlib import Path
from typing import Any

import yaml

from local_cluster import certificate, image_builds
from local_cluster.binaries import ARGO, argo_server
from local_cluster.cluster_settings import ARGO_NODE_PORT, ARGO_VERSION, JOBS_NAMESPACE, Settings
from local_cluster.kubectl import Kubectl
from local_cluster.node_container import Node
from local_cluster.s3_server import SHARED_KEYS
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
SERVER = certificate.Server("argo-server", NAMESPACE, "argo-server-tls")
#: Whoever looks shows a token of their own, and may what that may: the server's account could do everything.
#: It shows the namespace of the jobs: of all others READER may read nothing, and its first page would say so.
SERVER_ARGUMENTS = [
    "server",
    "--auth-mode=client",
    f"--tls-certificate-secret-name={SERVER.secret}",
    "--namespaced",
    f"--managed-namespace={JOBS_NAMESPACE}",
]
#: A survey and two announcements cover the first page without these.
SERVER_ENVIRONMENT = dict.fromkeys(("FIRST_TIME_USER_MODAL", "FEEDBACK_MODAL", "NEW_VERSION_MODAL"), "false")
#: For people who look at jobs in Argo's UI; it may change nothing.
READER = "argo-reader"


def install_dns(kubectl: Kubectl, stage: Stage) -> None:
    manifest = MANIFESTS / "coredns.yaml"
    objects = list(yaml.safe_load_all(manifest.read_text()))
    (deployment,) = (item for item in objects if item["kind"] == "Deployment")
    # Its own reload comes a minute later, and what is installed next asks for new names.
    deployment["spec"]["template"]["metadata"]["annotations"] = {image_builds.MARK: image_builds.digest([], manifest)}
    kubectl.apply(stage, *objects)
    kubectl.rollout(stage, "kube-system", "deployment/coredns")


def install_argo(settings: Settings, kubectl: Kubectl, control_plane: Node, stage: Stage) -> None:
    """Install Argo's controller and server cluster-wide in namespace `argo`, and wait until both run."""
    certificate.install(SERVER, kubectl, control_plane, stage)
    manifests = ARGO.folder(settings.cache) / "manifests"
    definitions = kubectl.run(stage, "kustomize", str(manifests / "base" / "crds" / "minimal"))
    official = kubectl.run(stage, "kustomize", str(manifests / "cluster-install-no-crds"))
    kubectl.apply(stage, *yaml.safe_load_all(definitions))
    program = argo_server(settings.cache).parent.name
    kubectl.apply(stage, *(fitted(one, program) for one in yaml.safe_load_all(official)))
    for deployment in ("workflow-controller", "argo-server"):
        kubectl.rollout(stage, NAMESPACE, f"deployment/{deployment}")


def let_people_read(kubectl: Kubectl, stage: Stage) -> None:
    """Make the account that sees every job in Argo's UI; the chart has made the namespace of the jobs."""
    named = {"name": READER, "namespace": JOBS_NAMESPACE}
    group = "rbac.authorization.k8s.io"
    kubectl.apply(
        stage,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": READER, "namespace": NAMESPACE}},
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": named, "rules": _RIGHTS_OF_READER},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": named,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": READER},
            "subjects": [{"kind": "ServiceAccount", "name": READER, "namespace": NAMESPACE}],
        },
    )


_LOOKS = ["get", "list", "watch"]
_RIGHTS_OF_READER = [
    {"apiGroups": ["argoproj.io"], "resources": ["workflows", "workflowtemplates", "cronworkflows"], "verbs": _LOOKS},
    {"apiGroups": [""], "resources": ["pods", "pods/log", "events"], "verbs": _LOOKS},
    # Argo's server fetches a picture with the rights of who looks at it.
    {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [SHARED_KEYS], "verbs": ["get"]},
]


def fitted(manifest: dict[str, Any], program: str) -> dict[str, Any]:
    """Fit one official object to the local cluster: local images, a fast controller, a server to reach.

    `program` names what the server's image was made from: another one under the same tag is run only by new pods.
    """
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    if kind == "Deployment":
        pod = manifest["spec"]["template"]["spec"]
        # Where nodes reboot and drain for a living, the engine stands aside, on the control plane.
        pod["nodeSelector"] = {CONTROL_PLANE_ROLE: ""}
        pod["tolerations"] = [{"key": CONTROL_PLANE_ROLE, "operator": "Exists"}]
        container = pod["containers"][0]
        container["image"] = container["image"].replace(":latest", f":v{ARGO_VERSION}")
        if name == "workflow-controller":
            _fit_controller(container)
        else:
            _fit_server(container)
            manifest["spec"]["template"]["metadata"].setdefault("annotations", {})[image_builds.MARK] = program
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
    container["env"] += [{"name": name, "value": value} for name, value in SERVER_ENVIRONMENT.items()]
    container["readinessProbe"].update(initialDelaySeconds=1, periodSeconds=3)
