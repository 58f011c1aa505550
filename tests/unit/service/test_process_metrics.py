"""What a process measures of itself grows when that happens which it counts."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from service.api.open_streams import OpenStreams
from service.jobs.ports import UnavailableError
from service.kube.collection_watch import Pace
from service.kube.watch import WorkflowWatch
from service.records.store import SqlRecords
from tests.unit.kube.conftest import Served, api_at, serve


@pytest.fixture
def served() -> Served:
    return serve


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_store_that_does_not_answer(tmp_path: Path) -> None:
    errors, taken = value("opsjobs_store_errors_total", operation="read"), ("opsjobs_store_seconds_count", "read")
    before = value(taken[0], operation=taken[1])
    store = SqlRecords(f"sqlite+aiosqlite:///{tmp_path / 'never-migrated.db'}")
    with pytest.raises(UnavailableError):
        await store.ping()
    await store.close()
    assert value("opsjobs_store_errors_total", operation="read") == errors + 1
    assert value(taken[0], operation=taken[1]) == before + 1


@pytest.mark.parametrize(("status", "code"), [(200, "200"), (404, "404"), (503, "503")])
async def test_a_request_to_kubernetes_by_its_answer(served: Served, status: int, code: str) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"metadata": {}}, status=status)

    before = value("opsjobs_kubernetes_requests_total", verb="GET", code=code)
    async with served(answer) as api:
        try:
            await api.get("/version")
        except UnavailableError:
            assert status == 503
    assert value("opsjobs_kubernetes_requests_total", verb="GET", code=code) == before + 1


async def test_a_kubernetes_that_is_not_there() -> None:
    before = value("opsjobs_kubernetes_requests_total", verb="GET", code="none")
    api = api_at("http://127.0.0.1:1")
    with pytest.raises(UnavailableError):
        await api.get("/version")
    await api.close()
    assert value("opsjobs_kubernetes_requests_total", verb="GET", code="none") == before + 1


async def test_a_watch_that_loses_its_place(served: Served) -> None:
    gone: dict[str, Any] = {"code": 410, "reason": "Expired", "message": "too old"}

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return web.json_response(gone, status=410)
        return web.json_response({"metadata": {"resourceVersion": "7"}, "items": []})

    before = value("opsjobs_watch_restarts_total", reason="expired")
    async with served(answer) as api:
        events = WorkflowWatch(api, "/workflows", "x", Pace(backoff=0.01)).events()
        await anext(events)
        await anext(events)
        await events.aclose()
    assert value("opsjobs_watch_restarts_total", reason="expired") > before


def test_who_follows() -> None:
    streams, before = OpenStreams(), value("opsjobs_followers")
    with streams.take("alice"), streams.take("bob"):
        assert value("opsjobs_followers") == before + 2
    assert value("opsjobs_followers") == before
