"""A workspace with workloads, the store as it is, and a bad way to it."""

import base64
import json
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.dumplog.workloads import BUCKET, NOISE, TWO_LIVES, bare, deployment, pod_spec, ran, shell
from tests.e2e.live import Cluster, wait_for
from tests.e2e.proxy import Proxy, proxy_to
from workflow_templates.object_store import Store
from workflow_templates.protocol.sigv4 import Signer
from workflow_templates.protocol.store_location import StoreLocation


@pytest.fixture(scope="module")
def workspace(cluster: Cluster, admin: str) -> Iterator[str]:
    """A workspace in which the tests' caller may read logs, by Kubernetes' own role for that."""
    name, rbac = f"e2e-logs-{secrets.token_hex(3)}", "rbac.authorization.k8s.io"
    # What an interrupted run left would be workloads of the same names in another workspace.
    cluster.kubectl("delete", "namespace", "-l", "opsjob-e2e=dumplog", "--timeout=300s")
    metadata = {"name": name, "labels": {"opsjob.io/workspace": name, "opsjob-e2e": "dumplog"}}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "view", "namespace": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": admin, "namespace": cluster.facts["namespace"]}],
        },
    )
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="session")
def store(cluster: Cluster) -> Iterator[Store]:
    """The bucket with the keys of the cluster's own, to see what is left in it."""
    keys = cluster.get("secret", "opsjobs-store", "-n", cluster.jobs)["data"]
    access_key, secret_key = (base64.b64decode(keys[name]).decode() for name in ("accessKey", "secretKey"))
    with httpx.Client(timeout=30, trust_env=False) as http:
        place = StoreLocation(endpoint=cluster.facts["storeUrl"], bucket=BUCKET)
        yield Store(http, place, Signer(access_key, secret_key, "us-east-1"))


@pytest.fixture(scope="module")
def spread(cluster: Cluster, workspace: str) -> dict[str, str]:
    """A Deployment over three nodes, that of the control plane too; its containers have all been restarted.

    The nodes by pod.
    """
    apart = {"labelSelector": {"matchLabels": {"app": "spread"}}, "topologyKey": "kubernetes.io/hostname"}
    spec = pod_spec(
        shell("main", TWO_LIVES, volumeMounts=[{"name": "lives", "mountPath": "/lives"}]),
        initContainers=[shell("sidecar", "echo beside; sleep 3600", restartPolicy="Always")],
        volumes=[{"name": "lives", "emptyDir": {}}],
        tolerations=[{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}],
        affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
    )
    cluster.apply(deployment(workspace, "spread", 3, spec))

    def restarted() -> dict[str, str] | None:
        pods = cluster.items("pods", "-n", workspace, "-l", "app=spread")
        statuses = [(pod["status"].get("containerStatuses") or [{}])[0] for pod in pods]
        if len(pods) == 3 and all(s.get("restartCount") and "running" in s["state"] for s in statuses):
            return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in pods}
        return None

    found = wait_for("three restarted pods", restarted)
    assert found
    return found


@pytest.fixture
def bad_way(cluster: Cluster) -> Iterator[Proxy]:
    """Steps reach the store through a proxy of the test's on this machine, until the test ends."""
    gateway = f"{urlsplit(cluster.facts['url']).hostname}".rpartition(".")[0] + ".1"

    def settings(endpoint: str) -> None:
        change = json.dumps({"data": {"OPSJOBS_STORE_ENDPOINT": endpoint}})
        cluster.kubectl("patch", "configmap", "opsjobs-store", "-n", cluster.jobs, "--type=merge", "-p", change)

    usual = cluster.get("configmap", "opsjobs-store", "-n", cluster.jobs)["data"]["OPSJOBS_STORE_ENDPOINT"]
    with proxy_to(cluster.facts["storeUrl"]) as proxy:
        settings(f"http://{gateway}:{proxy.port}")
        try:
            yield proxy
        finally:
            settings(usual)


@pytest.fixture(scope="module")
def noisy(cluster: Cluster, workspace: str) -> str:
    """A pod with a log that is some megabytes also when compressed."""
    cluster.apply(bare(workspace, "noisy", shell("main", NOISE)))
    ran(cluster, workspace, "noisy")
    wait_for("all of its noise", lambda: len(cluster.kubectl("logs", "noisy", "-n", workspace)) > 4_000_000)
    return "noisy"
