import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.live import Api, Cluster, wait_for


@pytest.fixture(scope="session")
def admin(cluster: Cluster) -> str:
    """A ServiceAccount that may do everything with jobs."""
    name, namespace = "e2e-admin", cluster.facts["namespace"]
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "opsjobs-e2e-admin"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "opsjobs-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        },
    )
    return name


@pytest.fixture(scope="session")
def session(cluster: Cluster, admin: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {cluster.token(admin)}"}
    # Some tests kill the service: no connection is kept beyond its request, and one that is refused is tried again.
    transport = httpx.HTTPTransport(retries=6, limits=httpx.Limits(max_keepalive_connections=0))
    with httpx.Client(base_url=cluster.facts["url"], headers=headers, timeout=30, transport=transport) as client:
        end_what_an_interrupted_run_left(Api(client))
        yield client


def end_what_an_interrupted_run_left(api: Api) -> None:
    """Its jobs hold nodes that these tests need."""
    for phase in ("Pending", "Running"):
        for item in api.client.get("/api/v1/opsjobs", params={"phase": phase, "limit": 1000}).json()["items"]:
            api.delete(item["jobId"])
            api.finished(item["jobId"])


@pytest.fixture
def api(session: httpx.Client) -> Iterator[Api]:
    """The service as an administrator; what a test leaves running is deleted after it, and its nodes are free again."""
    service = Api(session)
    yield service
    for job_id in service.submitted:
        if session.get(f"/api/v1/opsjobs/{job_id}").json()["phase"] not in ("Succeeded", "Failed"):
            service.delete(job_id)
            service.finished(job_id)


@pytest.fixture
def idle_nodes(cluster: Cluster) -> None:
    """What an earlier test ran goes with its namespace, some time later; until then its node is busy."""
    wait_for(
        "the end of namespaces that were deleted",
        lambda: not [one for one in cluster.items("namespaces") if one["status"]["phase"] == "Terminating"],
    )


@pytest.fixture
def addon(cluster: Cluster) -> Iterator[Callable[..., str]]:
    """Make an AddonTemplate of a script for one test; answers its name."""
    made: list[str] = []

    def make(script: str, **spec: Any) -> str:
        name = f"e2e-{uuid.uuid4().hex[:8]}"
        cluster.apply(
            {
                "apiVersion": "opsjob.io/v1alpha1",
                "kind": "AddonTemplate",
                "metadata": {"name": name},
                "spec": {"description": "made by a test", "script": script, **spec},
            }
        )
        made.append(name)
        return name

    yield make
    if made:
        cluster.kubectl("delete", "addontemplate", *made, "--ignore-not-found")
