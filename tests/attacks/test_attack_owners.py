"""Who may make a pod writes its ownerReferences, and Kubernetes hardly looks at them.

Before: the service put their text into a URL of its own token. A pod owned by `../../../../../version` made it read
that, one owned by `x/scale` made it be refused; then every tenant's workload jobs were answered with 500 or 503, and
other tenants' Deployments could not be found, because a refusal was remembered for a whole kind.
"""

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import httpx
import pytest

from service.jobs.ports import UnavailableError
from service.kube.client import Api, ApiError, KubeSettings, RefusalError
from service.kube.workloads import workloads
from tests.e2e.live import Cluster, wait_for
from tests.kube.conftest import namespace, pod

SETTINGS = KubeSettings()
WITHIN = {"attacker": "a-attacker", "victim": "b-victim"}

CLIMBS = [
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "../../../../../version"},
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x/scale"},
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": ".."},
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "%2e%2e/%2e%2e/b-victim/replicasets/web-1"},
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1?watch=true"},
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1#"},
    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1\r\nX-Remote-User: admin"},
    {"apiVersion": "../version", "kind": "ReplicaSet", "name": "web-1"},
    {"apiVersion": "..", "kind": "ReplicaSet", "name": "web-1"},
    {"apiVersion": "apps/v1?x=", "kind": "ReplicaSet", "name": "web-1"},
    {"apiVersion": "apps%2Fv1/v1", "kind": "ReplicaSet", "name": "web-1"},
]


Found = dict[str, list[str]]


class Apiserver:
    """Two namespaces in memory; a Deployment `web` of the victim, and pods of the attacker, which come first."""

    def __init__(self, *owned_by: list[dict[str, Any]], answers: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.answers = answers
        self.pods = {
            "a-attacker": [_metadata(f"evil-{n}", "a-attacker", owners) for n, owners in enumerate(owned_by)],
            "b-victim": [_metadata("web-1-x", "b-victim", [_owner("ReplicaSet", "web-1")])],
        }

    async def get(self, path: str, *, accept: str = "") -> dict[str, Any] | None:  # noqa: ARG002 - as the client has it
        self.asked.append(path)
        if path == "/apis/apps/v1":
            kinds = {"ReplicaSet": "replicasets", "Deployment": "deployments"}
            return {"resources": [{"kind": k, "name": n, "namespaced": True} for k, n in kinds.items()]}
        if path == "/apis/apps/v1/namespaces/b-victim/replicasets/web-1":
            return {"metadata": {"name": "web-1", "ownerReferences": [_owner("Deployment", "web")]}}
        if self.answers:
            raise self.answers
        return None

    async def list(self, path: str, _query: Any = None, **_how: bool) -> AsyncIterator[dict[str, Any]]:
        self.asked.append(path)
        inside = path.split("/")[4] if path.endswith("/pods") else ""
        for item in self.pods.get(inside, ()):
            yield {"metadata": item, "spec": {"nodeName": "n1"}}

    async def found(self, *names: str) -> Found:
        """Workload → its pods, over all namespaces."""
        every = await workloads(cast("Api", self), SETTINGS, names, WITHIN)
        return {name: [pod for workload in found for pod in workload.pods] for name, found in every.items()}


def _owner(kind: str, name: str, version: str = "apps/v1") -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "name": name, "uid": "1"}


def _metadata(name: str, inside: str, owners: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "namespace": inside, "creationTimestamp": "2026-01-01T00:00:00Z", "ownerReferences": owners}


@pytest.mark.parametrize("owner", CLIMBS, ids=lambda owner: f"{owner['apiVersion']} {owner['name']}"[:40])
async def test_no_text_of_an_owner_becomes_part_of_a_path(owner: dict[str, Any]) -> None:
    server = Apiserver([{**owner, "uid": "1"}])
    assert await server.found("web") == {"web": ["web-1-x"]}
    about_owners = {path for path in server.asked if not path.endswith(("s", "pods"))}
    assert about_owners <= {"/apis/apps/v1", "/apis/apps/v1/namespaces/b-victim/replicasets/web-1"}


@pytest.mark.parametrize(
    "answers",
    [
        RefusalError(403, "you may not"),
        ApiError(500, "broken"),
        ApiError(503, "an extension that is away"),
        UnavailableError("an extension that hangs"),
    ],
    ids=["403", "500", "503", "hangs"],
)
async def test_an_owner_that_cannot_be_read_hides_nobody_elses_workload(answers: Exception) -> None:
    """Of the same kind, with the same uid: neither a kind nor a uid of theirs is remembered for others."""
    server = Apiserver(*[[_owner("ReplicaSet", f"gone-{number}")] for number in range(50)], answers=answers)
    assert await server.found("web") == {"web": ["web-1-x"]}
    assert len([path for path in server.asked if "a-attacker/replicasets" in path]) <= 50


async def test_owners_beyond_number_are_not_all_read() -> None:
    """A pod takes as many as 1.5 MB hold, and each was a request, for every search of anybody."""
    many = [[_owner("ReplicaSet", f"r-{pod}-{number}") for number in range(500)] for pod in range(300)]
    server = Apiserver(*many)
    assert await server.found("web") == {"web": ["web-1-x"]}
    assert len(server.asked) < 200


async def test_nor_are_those_of_invented_kinds() -> None:
    """Each apiVersion is asked for its kinds: with eight a pod, 300 pods were 2,000 requests one after another."""
    many = [[_owner("X", "x", f"g{pod}-{number}.example.com/v1") for number in range(8)] for pod in range(300)]
    server = Apiserver(*many)
    assert await server.found("web") == {"web": ["web-1-x"]}
    assert len(server.asked) < 200


async def test_a_search_for_many_workloads_looks_through_each_namespace_once() -> None:
    server = Apiserver([_owner("ReplicaSet", "gone")])
    await server.found("web", "other", "gone")
    # For their owners, and since one is found there for their nodes.
    assert [path for path in server.asked if path.endswith("a-attacker/pods")] == [
        "/api/v1/namespaces/a-attacker/pods"
    ] * 2
    assert server.asked.count("/apis/apps/v1/namespaces/b-victim/replicasets/web-1") == 1


@pytest.fixture
def tenants(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """The namespaces of two workspaces; a Deployment in the second, whose pod is on a node that is none."""
    suffix = secrets.token_hex(4)
    attacker, victim, node = f"attack-a-{suffix}", f"attack-b-{suffix}", f"attack-{suffix}"
    labels = {"app": victim}
    template = {"metadata": {"labels": labels}, "spec": pod("web", victim, node)["spec"]}
    cluster.apply(
        namespace(attacker, **{"opsjob.io/workspace": attacker}),
        namespace(victim, **{"opsjob.io/workspace": victim}),
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": victim, "namespace": victim},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        },
    )
    yield attacker, victim
    cluster.kubectl("delete", "namespace", attacker, victim, "--wait=false")
    cluster.kubectl("delete", "node", node)


def test_a_tenants_pod_disturbs_no_search(cluster: Cluster, session: httpx.Client, tenants: tuple[str, str]) -> None:
    attacker, victim = tenants

    def planned() -> httpx.Response:
        inputs = [{"name": "workload", "value": victim}]
        return session.post("/api/v1/opsjobs?dryRun=true", json={"name": "x", "type": "reboot", "inputs": inputs})

    wait_for("the workload to be found", lambda: planned().status_code == 200)
    node = victim.replace("attack-b", "attack")
    for number, owner in enumerate(CLIMBS):
        made = pod(f"evil-{number}", attacker, node, ownerReferences=[{**owner, "uid": secrets.token_hex(16)}])
        # Kubernetes refuses some of these texts.
        cluster.kubectl("apply", "-f", "-", text=json.dumps(made), check=False)
    assert cluster.items("pods", "-n", attacker)
    answer = planned()
    assert answer.status_code == 200, answer.text
    assert [found["name"] for found in answer.json()["plan"]["nodes"]] == [node]
