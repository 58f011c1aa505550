"""Where images come from and go to: a registry that stands in for Docker Hub, and the team's own, for exportimage."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local_cluster.argo import CONTROL_PLANE_ROLE, MANIFESTS
from local_cluster.binaries import CRANE
from local_cluster.cluster_settings import JOBS_NAMESPACE, Settings
from local_cluster.control_plane import CA_CERTIFICATE, authority_of
from local_cluster.kubectl import Kubectl
from local_cluster.network import wait_for_port
from local_cluster.node_container import Node
from local_cluster.pki import Authority
from local_cluster.stages import Stage

NAMESPACE = "registries"
IMAGE = "docker.io/library/registry:opsjobs"
#: Invented, and good for nothing but this cluster's registry; the second line is the first's bcrypt.
USER, PASSWORD = "robot$opsjobs", "opsjobs"
HTPASSWD = f"{USER}:$2b$05$WlOWdQb0bf8A8MU03CaFEOIjKKyNSf5YgWE.89wxLtg1eWkpNpD.e\n"
#: What the chart's values call them (values.yaml).
SECRET, CONFIG_MAP = "opsjobs-registry", "opsjobs-registry-authority"
#: What people write without a registry, so that a first export has a workload to look at.
EXAMPLE, EXAMPLE_NAME = "busybox:opsjobs", "library/busybox:latest"


@dataclass(frozen=True)
class Registry:
    """`names` are what images of it are named by and what clients ask for; `node_port` is for this machine."""

    name: str
    names: tuple[str, ...]
    address: str
    node_port: int


# manifests/coredns.yaml knows these names and addresses, too.
DOCKER_HUB = Registry("docker-hub", ("docker.io", "index.docker.io"), "10.96.0.22", 30502)
# By its second name a registry that needs a password, as a source.
HARBOR = Registry("harbor", ("harbor.opsjobs.test", "private.opsjobs.test"), "10.96.0.21", 30501)
REGISTRIES = (DOCKER_HUB, HARBOR)


def install(settings: Settings, kubectl: Kubectl, nodes: list[Node], stage: Stage) -> None:
    """Have both run, every node pull from them, and Docker Hub's hold a first image."""
    control_plane = nodes[0]
    authority = authority_of(control_plane)
    kubectl.apply(stage, *yaml.safe_load_all((MANIFESTS / "registries.yaml").read_text()))
    for registry in REGISTRIES:
        if not kubectl.run(stage, "-n", NAMESPACE, "get", "secret", registry.name, "--ignore-not-found", "-o", "name"):
            kubectl.apply(stage, _secret(registry, authority, control_plane))
        kubectl.apply(stage, _deployment(registry), _service(registry))
        for node in nodes:
            _pull_from(registry, node)
    for registry in REGISTRIES:
        kubectl.rollout(stage, NAMESPACE, f"deployment/{registry.name}")
    _push_example(settings, control_plane, authority, stage)


def share_account(kubectl: Kubectl, nodes: list[Node], stage: Stage) -> None:
    """Put where the step mounts it who we are to the registry, and whom to trust; the chart has made that namespace."""
    account = {"username": USER, "password": PASSWORD}
    authority = {"ca.crt": nodes[0].read(CA_CERTIFICATE).decode()}
    kubectl.apply(
        stage,
        {**_named("Secret", SECRET, JOBS_NAMESPACE), "stringData": account},
        {**_named("ConfigMap", CONFIG_MAP, JOBS_NAMESPACE), "data": authority},
    )


def hosts_toml(registry: Registry) -> str:
    """Tell containerd where a registry is: no name server of a node knows it."""
    url = f"https://{registry.address}"
    return f'server = "{url}"\n[host."{url}"]\n  capabilities = ["pull", "resolve"]\n  ca = "{CA_CERTIFICATE}"\n'


def _pull_from(registry: Registry, node: Node) -> None:
    write = 'mkdir -p "$1" && printf %s "$2" > "$1/hosts.toml"'
    for name in registry.names:
        node.execute("sh", "-c", write, "sh", f"/etc/containerd/certs.d/{name}", hosts_toml(registry))


def _push_example(settings: Settings, control_plane: Node, authority: Authority, stage: Stage) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive, trusted = Path(folder) / "image.tar", Path(folder) / "ca.crt"
        trusted.write_bytes(authority.identity.certificate)
        stage.run(["docker", "save", "-o", archive, EXAMPLE])
        address = str(control_plane.address.ip)
        wait_for_port(address, DOCKER_HUB.node_port, stage)
        target = f"{address}:{DOCKER_HUB.node_port}/{EXAMPLE_NAME}"
        environment = {**os.environ, "SSL_CERT_FILE": str(trusted)}
        stage.run([CRANE.folder(settings.cache) / "crane", "push", archive, target], env=environment)


def _secret(registry: Registry, authority: Authority, control_plane: Node) -> dict[str, Any]:
    identity = authority.sign(registry.name, hosts=[*registry.names, registry.address, control_plane.address.ip])
    files = {"tls.crt": identity.certificate.decode(), "tls.key": identity.key.decode(), "htpasswd": HTPASSWD}
    return {**_named("Secret", registry.name), "stringData": files}


def _deployment(registry: Registry) -> dict[str, Any]:
    container = {
        "name": "registry",
        "image": IMAGE,
        "args": ["serve", f"/etc/registry/settings/{registry.name}.yaml"],
        "env": [{"name": "OTEL_TRACES_EXPORTER", "value": "none"}],
        "readinessProbe": {"tcpSocket": {"port": 5000}, "periodSeconds": 2},
        "volumeMounts": [
            {"name": "settings", "mountPath": "/etc/registry/settings"},
            {"name": "tls", "mountPath": "/etc/registry/tls"},
            {"name": "data", "mountPath": "/data"},
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True},
    }
    pod = {
        # Where nodes reboot for a living, what others need stands aside.
        "nodeSelector": {CONTROL_PLANE_ROLE: ""},
        "tolerations": [{"key": CONTROL_PLANE_ROLE, "operator": "Exists"}],
        "securityContext": {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532, "runAsNonRoot": True},
        "containers": [container],
        "volumes": [
            {"name": "settings", "configMap": {"name": "settings"}},
            {"name": "tls", "secret": {"secretName": registry.name}},
            {"name": "data", "emptyDir": {}},
        ],
    }
    labels = {"app": registry.name}
    return {
        **_named("Deployment", registry.name),
        "apiVersion": "apps/v1",
        "spec": {
            "selector": {"matchLabels": labels},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _service(registry: Registry) -> dict[str, Any]:
    port = {"port": 443, "targetPort": 5000, "nodePort": registry.node_port}
    spec = {"type": "NodePort", "clusterIP": registry.address, "selector": {"app": registry.name}, "ports": [port]}
    return {**_named("Service", registry.name), "spec": spec}


def _named(kind: str, name: str, namespace: str = NAMESPACE) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}
