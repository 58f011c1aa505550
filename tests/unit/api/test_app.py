"""What the app answers before anybody is known: probes, unknown paths, wrong methods, no token."""

import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from service.api import app as http
from service.api import health
from service.api import routes as routes_
from service.api.caller import within_caller_limit, within_scraper_limit
from service.metrics import HTTP_SECONDS


@contextlib.asynccontextmanager
async def nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = http.build(nothing)
    # What the audit needs, and nothing else.
    here = SimpleNamespace(cluster_id="local")
    app.state.dependencies = SimpleNamespace(submission=here, audit_recorder=SimpleNamespace(put=lambda _line: None))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as found:
        yield found


def is_problem(answer: httpx.Response, status: int) -> bool:
    body = answer.json()
    return (
        answer.status_code == status == body["status"]
        and answer.headers["content-type"] == "application/problem+json"
        and {"type", "title", "detail", "errorCode", "errorMessage"} <= set(body)
    )


async def test_the_process_lives(client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/opsjobs"),
        ("POST", "/api/v1/opsjobs"),
        ("GET", "/api/v1/opsjobs/a"),
        ("DELETE", "/api/v1/opsjobs/a"),
        ("POST", "/api/v1/opsjobs/a/stop"),
        ("GET", "/api/v1/opsjobs/a/events"),
        ("GET", "/api/v1/nodes"),
        ("GET", "/api/v1/freeze"),
        ("PUT", "/api/v1/freeze"),
        ("DELETE", "/api/v1/freeze"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
    ],
)
@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer  "])
async def test_every_other_route_needs_a_bearer_token(
    client: httpx.AsyncClient, method: str, path: str, header: str | None
) -> None:
    answer = await client.request(method, path, headers={"Authorization": header} if header is not None else {})
    assert is_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/opsjobs", "GET, POST"),
        ("/api/v1/opsjobs/a", "DELETE, GET"),
        ("/api/v1/opsjobs/a/stop", "POST"),
        ("/healthz", "GET"),
    ],
)
async def test_a_wrong_method_names_the_right_ones(client: httpx.AsyncClient, path: str, allowed: str) -> None:
    answer = await client.put(path)
    assert is_problem(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/", "/api/v1/opsjobs/", "/api/v1/opsjobs/a/b", "/docs", "/redoc"])
async def test_an_unknown_path_is_a_problem(client: httpx.AsyncClient, path: str) -> None:
    assert is_problem(await client.get(path), 404)


async def test_a_surprise_is_a_500_without_a_trace(client: httpx.AsyncClient) -> None:
    """Without wiring the probe meets an AttributeError, which stands for any fault of ours."""
    answer = await client.get("/readyz")
    assert is_problem(answer, 500)
    assert "AttributeError" not in answer.text
    assert "Traceback" not in answer.text


async def test_every_answer_carries_a_request_id(client: httpx.AsyncClient) -> None:
    first, second = await client.get("/healthz"), await client.get("/nope")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


async def test_made_up_methods_make_no_new_metrics(client: httpx.AsyncClient) -> None:
    """Nobody need be known to send one, and every value of a label is kept for ever."""
    for number in range(3):
        assert is_problem(await client.request(f"EVIL{number}", "/api/v1/opsjobs"), 405)
        await client.request(f"EVIL{number}", f"/evil-{number}")
    labels = [sample.labels for family in HTTP_SECONDS.collect() for sample in family.samples]
    assert "other" in {label["method"] for label in labels}
    assert not [label for label in labels if "EVIL" in label["method"] or "evil" in label["route"]]


def test_every_route_but_the_probes_waits_for_a_turn() -> None:
    open_to_all = {"/healthz", "/readyz"}
    routes = [route for router in (routes_.router, health.router, health.guarded) for route in router.routes]
    turns = {within_caller_limit, within_scraper_limit}
    without = {
        route.path
        for route in routes
        if isinstance(route, APIRoute) and turns.isdisjoint(one.call for one in route.dependant.dependencies)
    }
    assert without == open_to_all


def test_every_route_that_changes_something_says_which_parameters_it_knows() -> None:
    """Where one is ignored, `?dryRun=true` on it, or a misspelt one, does the thing itself."""
    routes = [route for router in (routes_.router, health.router, health.guarded) for route in router.routes]
    changing = [route for route in routes if isinstance(route, APIRoute) and (route.methods or set()) - {"GET", "HEAD"}]
    checks = {
        route.name: [one.call.__qualname__ for one in route.dependant.dependencies if one.call] for route in changing
    }
    # `create` reads its own: service/api/write_parameters.py.
    assert [name for name, found in checks.items() if "only.<locals>.checked" not in found] == ["create"]
