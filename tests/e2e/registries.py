"""The local cluster's two registries, as tests use them from this machine: over TLS, by crane."""

import base64
import json
import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_cluster.registries import CONFIG_MAP, DOCKER_HUB, HARBOR, PASSWORD, USER, Registry
from tests.e2e.live import SLEEPER, WORKLOADS, Cluster, wait_for

#: Label of the namespaces made here.
OURS = "opsjobs-e2e-registries"
BASE = "library/busybox:latest"


@dataclass
class Registries:
    """`scratch` is a folder of the test run's own."""

    cluster: Cluster
    scratch: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        authority = self.scratch / "ca.crt"
        authority.write_text(self.cluster.get("configmap", CONFIG_MAP, "-n", self.cluster.jobs)["data"]["ca.crt"])
        (self.scratch / "config.json").write_text(docker_config(self.host(HARBOR)))
        self.environment = {"SSL_CERT_FILE": str(authority), "DOCKER_CONFIG": str(self.scratch)}

    def host(self, registry: Registry) -> str:
        """A registry as this machine reaches it."""
        nodes = self.cluster.items("nodes", "-l", "node-role.kubernetes.io/control-plane")
        (address,) = [a["address"] for a in nodes[0]["status"]["addresses"] if a["type"] == "InternalIP"]
        return f"{address}:{registry.node_port}"

    def crane(self, *arguments: str | Path, check: bool = True) -> str:
        done = subprocess.run(
            [f"{self.cluster.facts['bin']}/crane", *arguments],
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"crane {arguments}: {done.stderr}")
        return done.stdout.strip()

    def push(self, name: str, *, to: Registry = DOCKER_HUB, platform: str = "", size: int = 1000) -> str:
        """Push an image that runs like busybox and never was before; answers its digest."""
        layer = self.scratch / f"{uuid.uuid4().hex}.tar"
        content = self.scratch / "content"
        content.write_bytes(os.urandom(size))
        with tarfile.open(layer, "w") as archive:
            archive.add(content, arcname=layer.stem)
        target = f"{self.host(to)}/{name}"
        self.crane("append", "--base", f"{self.host(DOCKER_HUB)}/{BASE}", "--new_layer", layer, "--new_tag", target)
        layer.unlink()
        if platform:
            self.crane("mutate", "--set-platform", platform, "--tag", target, target)
        return self.digest(target)

    def push_index(self, name: str, platforms: list[str]) -> tuple[str, list[str]]:
        """Push an index over one image a platform; answers its digest and theirs."""
        repository = name.partition(":")[0]
        parts = [self.push(f"{repository}:{p.replace('/', '-')}", platform=p) for p in platforms]
        words = [word for part in parts for word in ("--manifest", f"{self.host(DOCKER_HUB)}/{repository}@{part}")]
        self.crane("index", "append", *words, "--tag", f"{self.host(DOCKER_HUB)}/{name}")
        return self.digest(f"{self.host(DOCKER_HUB)}/{name}"), parts

    def digest(self, name: str) -> str:
        return self.crane("digest", name)

    def exported(self, target: str) -> str:
        """The digest behind a job's output `target`, as this machine sees it."""
        return self.digest(self.here(target))

    def here(self, target: str) -> str:
        return target.replace(HARBOR.names[0], self.host(HARBOR), 1)

    def empty(self, path: str) -> None:
        """Take every image out of a repository of the team's registry."""
        repository = f"{self.host(HARBOR)}/{path}"
        for digest in {self.digest(f"{repository}:{tag}") for tag in self.tags(path)}:
            self.crane("delete", f"{repository}@{digest}")

    def tags(self, path: str) -> list[str]:
        return self.crane("ls", f"{self.host(HARBOR)}/{path}", check=False).split()


def docker_config(*hosts: str) -> str:
    account = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return json.dumps({"auths": {host: {"auth": account} for host in hosts}})


@dataclass
class Space:
    """A workspace of one test module, in which the caller may see pods."""

    cluster: Cluster
    name: str

    def run(self, name: str, image: str, **spec: Any) -> str:
        """Run a pod of an image by itself; answers its name once the node says what it runs."""
        container = {**SLEEPER, "image": image, "imagePullPolicy": "Always"}
        self.cluster.apply(self.pod(name, containers=[container], **spec))
        wait_for(f"pod {name} to run", lambda: self.image_id(name))
        return name

    def pod(self, name: str, **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.name},
            "spec": {"terminationGracePeriodSeconds": 0, "nodeSelector": WORKLOADS, **spec},
        }

    def image_id(self, name: str) -> str:
        statuses = self.cluster.get("pod", name, "-n", self.name)["status"].get("containerStatuses") or [{}]
        return str(statuses[0].get("imageID", ""))

    def pull_secret(self, name: str, *hosts: str) -> None:
        data = {".dockerconfigjson": base64.b64encode(docker_config(*hosts).encode()).decode()}
        self.cluster.apply({**self._object("Secret", name), "type": "kubernetes.io/dockerconfigjson", "data": data})

    def let_exports_read(self, secret: str) -> None:
        """What the chart's exportImage.pullSecrets does."""
        rbac = "rbac.authorization.k8s.io"
        rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": [secret], "verbs": ["get"]}
        account = {"kind": "ServiceAccount", "name": "opsjob-exportimage", "namespace": self.cluster.jobs}
        self.cluster.apply(
            {**self._object("Role", "exports"), "apiVersion": f"{rbac}/v1", "rules": [rule]},
            {
                **self._object("RoleBinding", "exports"),
                "apiVersion": f"{rbac}/v1",
                "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "exports"},
                "subjects": [account],
            },
        )

    def _object(self, kind: str, name: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": self.name}}


@contextmanager
def changed(cluster: Cluster, kind: str, name: str, key: str, value: str) -> Iterator[None]:
    """Another value of a Secret or ConfigMap that steps mount, for the pods that start meanwhile."""
    before = cluster.get(kind, name, "-n", cluster.jobs)["data"]
    written = base64.b64encode(value.encode()).decode() if kind == "secret" else value

    def write(data: dict[str, str]) -> None:
        cluster.kubectl("patch", kind, name, "-n", cluster.jobs, "--type=merge", "-p", json.dumps({"data": data}))

    write({key: written})
    try:
        yield
    finally:
        write(before)


@contextmanager
def workspace(cluster: Cluster, viewer: str) -> Iterator[Space]:
    """A namespace that is a workspace, gone afterwards; the ServiceAccount `viewer` may see what is in it."""
    # A run that was killed leaves workloads of the same names behind.
    cluster.kubectl("delete", "namespace", "-l", OURS, "--ignore-not-found")
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    labels = {"opsjob.io/workspace": name, OURS: "true"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "viewer", "namespace": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": viewer, "namespace": cluster.facts["namespace"]}],
        },
    )
    try:
        yield Space(cluster, name)
    finally:
        cluster.kubectl("delete", "namespace", name, "--wait=false")
