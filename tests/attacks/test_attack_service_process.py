"""What ended the process of the service, once each on the real one; the variants are in-process, beside this."""

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.live import Api, Cluster

pytestmark = pytest.mark.e2e

JOBS = "/api/v1/opsjobs"
SERVICE = ("-n", "opsjobs", "-l", "app.kubernetes.io/name=opsjobs,app.kubernetes.io/component=service")


def restarts(cluster: Cluster) -> dict[str, int]:
    pods = cluster.items("pods", *SERVICE)
    return {pod["metadata"]["uid"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods}


@pytest.fixture
def nobody(cluster: Cluster) -> Iterator[httpx.Client]:
    """An account of its own without any right."""
    name = f"e2e-flood-{secrets.token_hex(3)}"
    cluster.kubectl("create", "serviceaccount", name, "-n", cluster.facts["namespace"])
    headers = {"Authorization": f"Bearer {cluster.token(name)}"}
    with httpx.Client(base_url=cluster.facts["url"], headers=headers, timeout=120, verify=cluster.trust) as client:
        yield client
    cluster.kubectl("delete", "serviceaccount", name, "-n", cluster.facts["namespace"])


def test_thirteen_bodies_of_a_megabyte_end_nothing(cluster: Cluster, api: Api, nobody: httpx.Client) -> None:
    """Before: answers of up to 29 MB, and the process was killed for its memory. It took no right."""
    before = restarts(cluster)
    body = json.dumps({f"field{number}": "x" * 22 for number in range(25_000)}).encode()
    with ThreadPoolExecutor(4) as pool:
        refused = list(pool.map(lambda _: nobody.post(JOBS, content=body), range(13)))
    assert {answer.status_code for answer in refused} == {403}
    assert max(len(answer.content) for answer in refused) < 1_000
    # Whoever has the right gets a small answer as well.
    wrong = api.client.post(JOBS, content=body)
    assert (wrong.status_code, len(wrong.content) < 100_000) == (400, True)
    assert restarts(cluster) == before


def test_a_value_that_keeps_an_expression_busy_ends_nothing(cluster: Cluster, api: Api) -> None:
    """Before: the process stood for 50 s, and its liveness probe killed it."""
    before = restarts(cluster)
    body = {
        "type": "preflight",
        "name": "busy",
        "inputs": [{"name": "cluster", "value": "local"}],
        "image": cluster.image,
        "entryPoint": "dHJ1ZQ==",
        "env": {f"A{number}": "://:" * 32_000 for number in range(7)},
    }
    began = time.monotonic()
    assert api.client.post(JOBS, params={"dryRun": "true"}, json=body).status_code == 200
    body["env"] = {"A": "://:" * 225_000}
    assert api.client.post(JOBS, params={"dryRun": "true"}, json=body).status_code == 400
    assert time.monotonic() - began < 40
    assert api.client.get("/healthz").status_code == 200
    assert restarts(cluster) == before
