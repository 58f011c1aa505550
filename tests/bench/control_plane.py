"""An apiserver with nothing behind it: objects, tokens and rights are real, and no controller touches a Workflow.

The list benchmark has one of its own, so that neither a busy cluster nor its controllers are measured with it.
"""

import contextlib
import json
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local_cluster.binaries import ARGO, KUBERNETES, Program, build
from local_cluster.cluster_settings import BUILD, JOBS_NAMESPACE, RELEASE_NAMESPACE, Settings
from local_cluster.product import CHART
from local_cluster.stages import Stages
from tests.bench.processes import free_port, running

#: As many workspaces have a namespace; the history's jobs are spread over three times as many.
WORKSPACES = 100
WORKSPACE = "prod-cluster-team-"
WORKSPACE_LABEL = "opsjob.io/workspace"

JOB_TYPES = ("addon", "preflight", "dumplog", "reboot", "exportimage")


@dataclass(frozen=True)
class ControlPlane:
    """`viewer` may list and get every job, `member` those of WORKSPACES of the workspaces, `owner` only their own.

    `admin` may do everything, at the apiserver itself too.
    """

    kubeconfig: Path
    kubectl: Path
    url: str
    admin: str
    viewer: str
    member: str
    owner: str

    def run(self, *words: str, given: str | None = None) -> str:
        command = [str(self.kubectl), "--kubeconfig", str(self.kubeconfig), *words]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout


def programs() -> tuple[Path, Path]:
    """The folders of Kubernetes' and Argo's programs."""
    return built(KUBERNETES), built(ARGO)


def built(program: Program) -> Path:
    """The program's folder; built where `make up` has not done it."""
    cache, stages = Settings().cache, Stages(BUILD / "logs")
    if not program.folder(cache).exists():
        with stages.stage(f"Building {program.name}", program.expect) as stage:
            build(program, cache, stage)
    return program.folder(cache)


@contextlib.contextmanager
def control_plane(folder: Path) -> Iterator[ControlPlane]:
    """Etcd and kube-apiserver in that folder, with Argo's kinds and our namespaces, for the length of the block."""
    kubernetes, argo = programs()
    etcd, peers, port = free_port(), free_port(), free_port()
    tokens = {who: secrets.token_hex(16) for who in ("admin", "viewer", "member", "owner")}
    plane = ControlPlane(folder / "kubeconfig", kubernetes / "kubectl", f"https://127.0.0.1:{port}", **tokens)
    _write_credentials(folder, tokens, port)
    with (
        running(_etcd(kubernetes, folder, etcd, peers), folder / "etcd.log", lambda: None),
        running(
            _apiserver(kubernetes, folder, etcd, port),
            folder / "apiserver.log",
            lambda: plane.run("get", "--raw=/readyz"),
        ),
    ):
        for namespace in (RELEASE_NAMESPACE, JOBS_NAMESPACE):
            plane.run("create", "namespace", namespace)
        kinds = argo / "manifests" / "base" / "crds" / "minimal"
        plane.run("create", "-f", "-", given=plane.run("kustomize", str(kinds)))
        plane.run("apply", "-f", str(CHART / "crds"))
        plane.run("apply", "-f", "-", given=json.dumps(_rights()))
        yield plane


def _etcd(programs: Path, folder: Path, port: int, peers: int) -> list[str | Path]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peers}"
    return [
        *(programs / "etcd", "--data-dir", folder / "etcd", "--unsafe-no-fsync", "--log-level", "warn"),
        *("--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer),
        *("--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"),
    ]


def _apiserver(programs: Path, folder: Path, etcd: int, port: int) -> list[str | Path]:
    return [
        *(programs / "kube-apiserver", "--etcd-servers", f"http://127.0.0.1:{etcd}"),
        *("--bind-address", "127.0.0.1", "--secure-port", str(port), "--cert-dir", folder / "certificates"),
        *("--authorization-mode", "RBAC", "--token-auth-file", folder / "tokens.csv"),
        *("--api-audiences", "opsjobs,kubernetes", "--service-account-issuer", "kubernetes"),
        *("--service-account-signing-key-file", folder / "key", "--service-account-key-file", folder / "key"),
        *("--disable-admission-plugins", "ServiceAccount", "--service-cluster-ip-range", "10.255.0.0/24"),
    ]


def _write_credentials(folder: Path, tokens: dict[str, str], port: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    (folder / "key").write_bytes(pem)
    groups = {"admin": ',"system:masters"'}
    lines = [f"{token},{who},{who}-id{groups.get(who, '')}" for who, token in tokens.items()]
    (folder / "tokens.csv").write_text("\n".join(lines) + "\n")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "admin"}}],
        # Its certificate is its own and its address this machine's: there is nobody to mistake it for.
        "clusters": [
            {"name": "bench", "cluster": {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}}
        ],
        "users": [{"name": "admin", "user": {"token": tokens["admin"]}}],
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))


def _rights() -> dict[str, object]:
    resources = [f"opsjobs/{job_type}" for job_type in JOB_TYPES]
    rule = {"apiGroups": ["opsjob.io"], "resources": resources, "verbs": ["list", "get"]}
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": "viewer"}, "rules": [rule]}

    def binding(user: str, namespace: str = "") -> dict[str, object]:
        return {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
            "metadata": {"name": user, **({"namespace": namespace} if namespace else {})},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "viewer"},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
        }

    workspaces = [f"{WORKSPACE}{number}" for number in range(WORKSPACES)]
    namespaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {WORKSPACE_LABEL: name}}}
        for name in workspaces
    ]
    bindings = [binding("viewer"), *(binding("member", name) for name in workspaces)]
    return {"apiVersion": "v1", "kind": "List", "items": [role, *namespaces, *bindings]}
