"""A broken dependency is a 503 that names it, and nothing is begun (contract: answers, errors)."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from service.main import create_app
from service.records.migrate import migrate
from service.settings import Settings
from tests.e2e.live import Cluster

#: Nothing listens there.
NOWHERE = "https://127.0.0.1:9"
JOBS = "/api/v1/opsjobs"


@contextlib.asynccontextmanager
async def serving(database_url: str, namespace: str) -> AsyncIterator[httpx.AsyncClient]:
    """The service in this process, with a leader Lease of its own."""
    app = create_app(Settings(database_url=database_url, namespace=namespace, jobs_namespace=namespace))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        yield client


def is_unavailable(answer: httpx.Response, whom: str) -> bool:
    body = answer.json()
    return (
        answer.status_code == 503
        and int(answer.headers["retry-after"]) > 0
        and answer.headers["content-type"] == "application/problem+json"
        and whom in body["errorMessage"]
    )


@pytest.fixture
def kubeconfig_to_nowhere(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = json.loads(cluster.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
    for entry in config["clusters"]:
        entry["cluster"]["server"] = NOWHERE
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(path))


def assert_says_one_word(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.text) == (503, "unavailable")


@pytest.mark.usefixtures("kubeconfig_to_nowhere")
async def test_without_kubernetes_every_call_is_a_503_and_the_process_lives(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/records.db"
    await migrate(url)
    async with serving(url, "opsjobs-faults") as client:
        client.headers["Authorization"] = "Bearer whatever"
        assert (await client.get("/healthz")).status_code == 200
        assert_says_one_word(await client.get("/readyz"))
        assert is_unavailable(await client.get("/readyz?verbose"), "Kubernetes")
        for method, path in (("GET", JOBS), ("POST", JOBS), ("GET", f"{JOBS}/a"), ("DELETE", f"{JOBS}/a")):
            assert is_unavailable(await client.request(method, path), "Kubernetes")


async def test_without_its_store_every_call_is_a_503_reads_included(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", cluster.facts["kubeconfig"])
    token = cluster.token("default", namespace="default")
    async with serving("postgresql+asyncpg://nobody@127.0.0.1:9/none", "opsjobs-faults") as client:
        client.headers["Authorization"] = f"Bearer {token}"
        assert (await client.get("/healthz")).status_code == 200
        assert_says_one_word(await client.get("/readyz"))
        assert is_unavailable(await client.get("/readyz?verbose"), "record store")
        for method, path in (("GET", JOBS), ("GET", f"{JOBS}/a"), ("POST", f"{JOBS}/a/stop"), ("DELETE", f"{JOBS}/a")):
            assert is_unavailable(await client.request(method, path), "record store")
    assert cluster.items("workflows", "-n", "opsjobs-faults") == []
