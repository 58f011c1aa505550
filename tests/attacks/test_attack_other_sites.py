"""The attacker has a page, and its visitor a browser that reaches the service and knows a token.

Also what is said to those who bring no token, and who they can pretend to be in the audit log.
"""

import json
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.jobs.ports import UnavailableError
from tests.unit.api.test_app import is_problem
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, REBOOT, World

CHANGES = [("POST", JOBS), ("POST", f"{JOBS}?dryRun"), ("POST", f"{JOBS}/a-1/stop"), ("DELETE", f"{JOBS}/a-1")]
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://test"},
    {"Origin": "https://evil.example.com"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://test.evil.example.com"},
    {"Origin": "http://test:8081"},
    {"Origin": "http://test@evil.example.com"},
    {"Origin": "file://test"},
    {"Origin": "http://[::1"},
]


async def ask(world: World, method: str, path: str, headers: dict[str, str], who: str = "alice") -> httpx.Response:
    async with client_of(world.app(), who) as client:
        return await client.request(method, path, headers=headers, content=json.dumps(REBOOT))


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_another_sites_page_changes_nothing(method: str, path: str, headers: dict[str, str]) -> None:
    world = World()
    found = await ask(world, method, path, headers)
    assert is_problem(found, 403)
    assert found.json()["errorCode"] == "FOREIGN_ORIGIN"
    assert world.jobs == {}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://test"},
        {"Origin": "https://TEST:443", "Host": "test"},
        {"Origin": "https://ops.example.com:8443", "Host": "ops.example.com:8443"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://test"},
        {"Sec-Fetch-Site": "none"},
    ],
    ids=str,
)
async def test_the_services_own_pages_and_those_that_are_no_browsers_do(headers: dict[str, str]) -> None:
    world = World()
    assert (await ask(world, "POST", JOBS, headers)).status_code == 200
    assert world.jobs


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
async def test_no_answer_lets_another_site_read_it(method: str) -> None:
    headers = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}
    found = await ask(World(), method, JOBS, headers)
    assert not [name for name in found.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("name", ["token", "access_token", "bearer", "Authorization", "authorization"])
async def test_no_token_is_taken_from_a_query_string(name: str) -> None:
    """It would stand in the logs of every proxy."""
    assert is_problem(await ask(World(), "GET", f"{JOBS}/a-1?{name}=alice", {}, who=""), 401)


class Away(World):
    async def ping(self) -> None:
        raise UnavailableError("postgresql at db.internal:5432 does not answer")


@pytest.mark.parametrize("world", [World(), Away()], ids=["ready", "away"])
async def test_without_a_token_a_probe_says_one_plain_word(world: World) -> None:
    """It named the database's address to anybody."""
    found = await ask(world, "GET", "/readyz", {}, who="")
    away = isinstance(world, Away)
    assert (found.status_code, found.text) == ((503, "unavailable") if away else (200, "ready"))
    assert is_problem(await ask(world, "GET", "/readyz?verbose", {}, who=""), 401)
    world.unknown_tokens.add("mallory")
    assert is_problem(await ask(world, "GET", "/readyz?verbose=1", {}, who="mallory"), 401)
    assert ("db.internal" in (await ask(world, "GET", "/readyz?verbose", {})).text) == away


class NoReviews(World):
    async def caller(self, _token: str) -> Any:
        raise UnavailableError("Kubernetes cannot be reached (POST /apis): 10.96.0.1:443")


async def test_nor_does_a_refusal_say_where_kubernetes_is() -> None:
    """Variant: any token brought the client's own error, with the apiserver's address."""
    found = await ask(NoReviews(), "GET", f"{JOBS}/a-1", {}, who="anything")
    assert is_problem(found, 503)
    assert "10.96" not in found.text


@pytest.mark.parametrize(
    ("proxies", "forwarded", "source"),
    [
        ([], "203.0.113.7", "127.0.0.1"),
        (["10.0.0.0/8"], "203.0.113.7", "127.0.0.1"),
        (["127.0.0.0/8"], "203.0.113.7", "203.0.113.7"),
        (["127.0.0.0/8"], "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        (["127.0.0.0/8", "10.0.0.0/8"], "203.0.113.7, 10.1.2.3", "203.0.113.7"),
    ],
    ids=["none named", "another named", "named", "what the client made up", "two proxies"],
)
async def test_who_an_audit_line_names_as_its_source_is_not_for_the_client_to_say(
    proxies: list[str], forwarded: str, source: str
) -> None:
    app: Any = World().app()
    if proxies:
        app = ProxyHeadersMiddleware(app, trusted_hosts=proxies)
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": "Bearer alice", "X-Forwarded-For": forwarded}
    with capture_logs() as lines:
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
            await client.post(JOBS, json=REBOOT)
    assert {line["source"] for line in lines if line["event"].startswith("audit")} == {source}
