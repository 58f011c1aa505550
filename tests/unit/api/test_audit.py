"""The line of a request that would change something, and the id that its lines and its answer share."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI
from structlog.testing import capture_logs

from service.domain.cluster_objects import Caller
from tests.unit.api.wired import app_of

JOBS = "/api/v1/opsjobs"
TOKEN = "eyJhbGciOi.a-bearer-token.nobody-may-read"


class Reviews:
    async def caller(self, token: str) -> Caller | None:
        return Caller("u-1", "alice", ("ops", "oncall")) if token == TOKEN else None

    async def workspaces(self, **_how: bool) -> dict[str, str]:
        return {}

    async def granted(self, _who: Caller, _verb: str, kinds: Any, _namespaces: Any) -> frozenset[Any]:
        return frozenset((kind, None) for kind in kinds)


class Broken:
    async def get(self, _job_id: str) -> None:
        raise RuntimeError("a fault of ours")


@pytest.fixture
def app() -> FastAPI:
    return app_of(reviews=Reviews(), cluster=Reviews(), records=Broken(), max_body_bytes=1000)


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    processors = [structlog.contextvars.merge_contextvars]
    with capture_logs(processors) as found:
        yield found


async def ask(app: FastAPI, method: str, path: str, **given: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, **given)


def audited(lines: list[Any]) -> list[dict[str, Any]]:
    return [line for line in lines if line["event"] == "audit"]


BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "expected"),
    [
        ("POST", JOBS, {}, b"{}", {"action": "create", "user": None, "status": 401, "outcome": "refused"}),
        ("POST", JOBS, BEARER, b"{}", {"action": "create", "user": "alice", "status": 400, "outcome": "refused"}),
        ("POST", JOBS, BEARER, b"x" * 1001, {"action": "create", "user": "alice", "status": 413}),
        ("POST", f"{JOBS}/a-1/stop", BEARER, b"", {"action": "stop", "job_id": "a-1", "outcome": "failed"}),
        ("DELETE", f"{JOBS}/a-1", BEARER, b"", {"action": "delete", "job_id": "a-1", "status": 500}),
    ],
    ids=["nobody", "bad", "too large", "stop", "delete"],
)
async def test_every_attempt_to_change_something_is_one_line(  # noqa: PLR0913, PLR0917 - a table
    app: FastAPI,
    lines: list[Any],
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    expected: dict[str, Any],
) -> None:
    await ask(app, method, path, headers={**headers, "X-Request-Id": "ticket-7"}, content=body)
    (line,) = audited(lines)
    assert {key: line[key] for key in expected} == expected
    assert line["source"] == "127.0.0.1"
    assert line["request_id"] == "ticket-7"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", f"{JOBS}/a-1"), ("POST", f"{JOBS}?dryRun=true"), ("GET", "/nope")]
)
async def test_what_changes_nothing_is_none(app: FastAPI, lines: list[Any], method: str, path: str) -> None:
    await ask(app, method, path, headers=BEARER, content=b"{}")
    assert audited(lines) == []


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [("POST", f"{JOBS}?dryRun=1", "create"), ("POST", f"{JOBS}/a-1/stop", "stop"), ("DELETE", f"{JOBS}/a-1", "delete")],
)
async def test_what_the_service_begins_to_work_on_is_a_line_before_it_does(
    app: FastAPI, lines: list[Any], method: str, path: str, action: str
) -> None:
    """Before, a request that brought the service down was in no log: not even whose it was."""
    await ask(app, method, path, headers={**BEARER, "X-Request-Id": "ticket-7"}, content=b"{}")
    first = lines[0]
    known = {"event": "audit begun", "action": action, "user": "alice", "groups": ["ops", "oncall"]}
    assert {key: first[key] for key in known} == known
    assert (first["source"], first["request_id"]) == ("127.0.0.1", "ticket-7")


async def test_nobodys_request_is_not_begun(app: FastAPI, lines: list[Any]) -> None:
    await ask(app, "POST", JOBS, content=b"{}")
    assert "audit begun" not in [line["event"] for line in lines]


async def test_no_line_holds_a_token(app: FastAPI, lines: list[Any]) -> None:
    for token in (TOKEN, "another.bearer.token"):
        await ask(app, "DELETE", f"{JOBS}/a-1", headers={"Authorization": f"Bearer {token}"})
    assert audited(lines)
    assert "bearer" not in str(lines).lower()


@pytest.mark.parametrize("sane", ["a", "0f3c", "Trace.1-2_3", "x" * 64])
async def test_a_sane_request_id_is_kept(app: FastAPI, sane: str) -> None:
    assert (await ask(app, "GET", "/healthz", headers={"X-Request-Id": sane})).headers["x-request-id"] == sane


@pytest.mark.parametrize("odd", ["", "x" * 65, "a b", 'a"b', "{{x}}", "a/../b", b"\xff\xfe"])
async def test_any_other_is_replaced(app: FastAPI, odd: str | bytes) -> None:
    made = (await ask(app, "GET", "/healthz", headers=[(b"X-Request-Id", odd)])).headers["x-request-id"]
    assert len(made) == 12
    assert made != odd
