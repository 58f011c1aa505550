"""GET /api/v1/audit over a real store: what was done stands there with it, and who may see it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.domain.cluster_objects import Caller
from service.domain.job import JobType
from service.jobs.ports import UnavailableError
from service.main import dependencies
from service.records.store import SqlRecords
from service.settings import Settings
from tests.new_store import new_store
from tests.records_suite.auditing import line
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, REBOOT, World

AUDIT = "/api/v1/audit"
Ask = Callable[..., Awaitable[httpx.Response]]


class Audited(World):
    """Everybody may create reboots; the auditor may see what was done."""

    kubernetes_is_away = False

    async def may(self, who: Caller, verb: str, *_of: object) -> bool:
        return who.user_name != "stranger" and verb == "create"

    async def may_list_audit(self, who: Caller) -> bool:
        return who.user_name == "auditor"

    async def may_freeze(self, who: Caller) -> bool:
        return who.user_name == "alice"

    async def stop_workflow(self, *_asked: object, **_how: object) -> None:
        if self.kubernetes_is_away:
            raise UnavailableError("Kubernetes is away")

    async def delete_workflow(self, *_asked: object) -> None:
        pass


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlRecords]:
    opened = SqlRecords(await new_store(tmp_path))
    yield opened
    await opened.close()


@pytest.fixture
def world() -> Audited:
    return Audited()


@pytest.fixture
def app(world: Audited, store: SqlRecords) -> FastAPI:
    app = world.app()
    here: Any = world
    templates = {kind: f"opsjob-{kind}-1" for kind in JobType}
    settings = Settings(cluster_id="local", templates=templates)
    app.state.dependencies = dependencies(settings, store, here, here, here)
    return app


@pytest.fixture
def ask(app: FastAPI) -> Ask:
    async def send(who: str, method: str, path: str, **given: Any) -> httpx.Response:
        async with client_of(app, who) as client:
            return await client.request(method, path, **given)

    return send


@pytest.fixture
def lines(app: FastAPI, ask: Ask) -> Callable[..., Awaitable[list[dict[str, Any]]]]:
    """What the auditor is shown, once all of it is written."""

    async def shown(**query: Any) -> list[dict[str, Any]]:
        recorder = app.state.dependencies.audit_recorder
        recorder._end_minute()
        await recorder._write()
        answer = await ask("auditor", "GET", AUDIT, params={"order": "asc", **query})
        assert answer.status_code == 200, answer.text
        assert answer.json()["totalCount"] == len(answer.json()["items"])
        return list(answer.json()["items"])

    return shown


async def created(ask: Ask, who: str = "alice") -> str:
    answer = await ask(who, "POST", JOBS, content=json.dumps(REBOOT), headers={"X-Request-Id": "ticket-7"})
    return str(answer.json()["jobId"])


async def test_each_call_that_changes_a_job_is_one_line_with_who_and_what(ask: Ask, lines: Any) -> None:
    job_id = await created(ask)
    await ask("alice", "POST", f"{JOBS}/{job_id}/pause", json={"reason": "lunch"})
    await ask("alice", "POST", f"{JOBS}/{job_id}/stop")
    await ask("alice", "DELETE", f"{JOBS}/{job_id}")
    found = await lines()
    assert [one["action"] for one in found] == ["create", "pause", "stop", "delete"]
    assert {one["jobId"] for one in found} == {job_id}
    assert {one["outcome"] for one in found} == {"done"}
    assert found[0] == {
        **found[0], "userName": "alice", "userId": "id-alice", "source": "127.0.0.1", "status": 200, "count": 1,
        "clusterId": "local", "jobName": "again", "type": "reboot", "nodes": 1, "requestId": "ticket-7",
    }  # fmt: skip


async def test_what_changed_nothing_is_a_line_too(ask: Ask, lines: Any) -> None:
    job_id = await created(ask)
    for _ in range(2):
        await ask("alice", "POST", f"{JOBS}/{job_id}/stop")
    assert [one["action"] for one in await lines()] == ["create", "stop", "stop"]


async def test_refusals_say_what_was_meant_and_a_dry_run_is_no_line(ask: Ask, lines: Any) -> None:
    job_id = await created(ask)
    await ask("mallory", "POST", f"{JOBS}/{job_id}/stop")
    await ask("stranger", "POST", JOBS, content=json.dumps(REBOOT))
    await ask("alice", "POST", f"{JOBS}?dryRun", content=json.dumps(REBOOT))
    await ask("", "DELETE", f"{JOBS}/{job_id}")
    found = await lines(outcome="refused")
    assert [(one["userName"], one["action"], one["status"]) for one in found] == [
        ("mallory", "stop", 404),
        ("stranger", "create", 403),
        ("", "delete", 401),
    ]
    assert (found[0]["jobId"], found[0]["type"]) == (job_id, "reboot")


async def test_a_stop_that_is_recorded_and_not_yet_carried_out_is_both(world: Audited, ask: Ask, lines: Any) -> None:
    """The caller got a 503, and the job will be stopped: who asks who stopped it must find them."""
    job_id = await created(ask)
    world.kubernetes_is_away = True
    assert (await ask("alice", "POST", f"{JOBS}/{job_id}/stop")).status_code == 503
    assert [(one["outcome"], one["status"]) for one in await lines(action="stop")] == [("done", 200), ("failed", 503)]


async def test_freezing_is_a_line(ask: Ask, lines: Any) -> None:
    await ask("alice", "PUT", "/api/v1/freeze", json={"reason": "storage"})
    await ask("bob", "DELETE", "/api/v1/freeze")
    found = [(one["userName"], one["action"], one["outcome"]) for one in await lines()]
    assert found == [("alice", "freeze", "done"), ("bob", "unfreeze", "refused")]


async def test_it_is_for_those_with_the_right_alone(ask: Ask) -> None:
    assert (await ask("", "GET", AUDIT)).status_code == 401
    for who in ("alice", "stranger"):
        answer = await ask(who, "GET", AUDIT)
        assert answer.status_code == 403
        assert "list on audit.opsjob.io" in answer.json()["errorMessage"]


@pytest.mark.parametrize(
    "query",
    [
        {"outcome": "maybe"}, {"action": "rule"}, {"type": "x"}, {"limit": "0"}, {"limit": "1001"}, {"offset": "-1"},
        {"order": "up"}, {"since": "yesterday"}, {"userName": "\0"},
        {"since": "2026-05-02T00:00:00Z", "until": "2026-05-01T00:00:00Z"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_query_that_cannot_be_meant_is_refused(ask: Ask, query: dict[str, str]) -> None:
    answer = await ask("auditor", "GET", AUDIT, params=query)
    assert answer.status_code == 400
    assert [fault["path"] for fault in answer.json()["errors"]] == [next(iter(query))]


async def test_empty_and_unknown_names_are_ignored_as_in_a_list(ask: Ask, lines: Any) -> None:
    await created(ask)
    assert len(await lines(userName="", color="red")) == 1
    assert await lines(userName="nobody") == []


async def test_another_clusters_lines_are_not_shown(store: SqlRecords, lines: Any) -> None:
    await store.note([line(cluster_id="prod", at=datetime.now(UTC))])
    assert await lines() == []
    assert await lines(clusterId="prod") == []


async def test_control_characters_in_names_are_escaped_and_what_was_sent_is_cut(ask: Ask, lines: Any) -> None:
    odd = "%1b%5B2J%0Aforged-line" + "x" * 500
    await ask("alice", "POST", f"{JOBS}/{odd}/stop")
    (found,) = await lines()
    assert found["jobId"].startswith("\x1b[2J\nforged-line")
    assert len(found["jobId"]) < 150
    answer = await ask("auditor", "GET", AUDIT)
    assert b"\x1b" not in answer.content
    assert b"\n" not in answer.content
