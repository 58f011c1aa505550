"""The attacker has a token without any right, or none, and wants to hide in the audit, to fill it, or to read it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.domain.cluster_objects import Caller
from service.jobs.audit_trail import MOST_NOT_DONE
from service.main import dependencies
from service.records.store import SqlRecords
from service.records.tables import audit_lines
from service.settings import Settings
from tests.new_store import new_store
from tests.records_suite.planned import on
from tests.unit.api.world import JOBS, REBOOT, World

FLOOD = 150


class Strangers(World):
    """Every token is a user; none has a right, but the auditor theirs."""

    async def may(self, *_asked: object) -> bool:
        return False

    async def granted(self, *_asked: object) -> frozenset[Any]:
        return frozenset()

    async def may_list_audit(self, who: Caller) -> bool:
        return who.user_name == "auditor"


class Under:
    """The service over a store, behind a proxy that it trusts and that the attacker reaches it by."""

    def __init__(self, store: SqlRecords) -> None:
        world: Any = Strangers()
        self.app = world.app()
        self.app.state.dependencies = dependencies(Settings(cluster_id="local"), store, world, world, world)
        behind_a_proxy: Any = ProxyHeadersMiddleware(self.app, trusted_hosts=["127.0.0.0/8"])
        self._transport = httpx.ASGITransport(behind_a_proxy)

    async def send(self, who: str, method: str, path: str, **given: Any) -> httpx.Response:
        headers = [("Authorization", f"Bearer {who}"), *given.pop("headers", [])]
        async with httpx.AsyncClient(transport=self._transport, base_url="http://test") as client:
            return await client.request(method, path, headers=headers, **given)

    async def lines(self) -> list[dict[str, Any]]:
        recorder = self.app.state.dependencies.audit_recorder
        recorder._end_minute()
        await recorder._write()
        return list((await self.send("auditor", "GET", "/api/v1/audit", params={"limit": "1000"})).json()["items"])


async def test_a_token_without_rights_fills_no_store_and_hides_no_other(tmp_path: Path) -> None:
    store = SqlRecords(await new_store(tmp_path))
    under = Under(store)
    for number in range(FLOOD):
        await under.send("mallory", "POST", f"{JOBS}/job-{number}/stop")
    await under.send("bob", "DELETE", f"{JOBS}/job-1")
    found = await under.lines()
    async with store._database.reading() as connection:
        assert await connection.scalar(select(func.count()).select_from(audit_lines)) == len(found) <= MOST_NOT_DONE
    assert sum(line["count"] for line in found if line["userName"] == "mallory") == FLOOD
    assert [line["jobId"] for line in found if line["userName"] == "bob"] == ["job-1"]
    await store.close()


async def test_many_such_tokens_do_not_either(tmp_path: Path) -> None:
    store = SqlRecords(await new_store(tmp_path))
    under = Under(store)
    for number in range(FLOOD):
        await under.send(f"sa-{number}", "POST", JOBS, content=json.dumps(REBOOT))
    found = await under.lines()
    assert len(found) <= MOST_NOT_DONE + 1
    assert sum(line["count"] for line in found) == FLOOD
    await store.close()


async def test_from_where_is_what_the_last_trusted_proxy_saw(tmp_path: Path) -> None:
    store = SqlRecords(await new_store(tmp_path))
    under = Under(store)
    forged = [
        [("X-Forwarded-For", "10.0.0.1, 203.0.113.7")],
        [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "203.0.113.7")],
        [("X-Forwarded-For", "127.0.0.1, 203.0.113.7, 127.0.0.9")],
        [("Forwarded", "for=10.0.0.1"), ("X-Real-IP", "10.0.0.1"), ("X-Forwarded-For", "203.0.113.7")],
    ]
    for headers in forged:
        await under.send("mallory", "POST", f"{JOBS}/a-1/stop", headers=headers)
    assert [line["source"] for line in await under.lines()] == ["203.0.113.7"] * len(forged)
    await store.close()


async def test_what_is_no_address_is_cut_and_stays_text(tmp_path: Path) -> None:
    store = SqlRecords(await new_store(tmp_path))
    under = Under(store)
    await under.send("mallory", "POST", f"{JOBS}/a-1/stop", headers=[("X-Forwarded-For", '"}]}{' + "y" * 4000)])
    (line,) = await under.lines()
    assert line["source"].startswith('"}]}{y')
    assert len(line["source"]) < 150
    await store.close()


async def test_nobody_without_the_right_reads_a_line_or_learns_how_many_there_are(tmp_path: Path) -> None:
    store = SqlRecords(await new_store(tmp_path))
    under = Under(store)
    answer = await under.send("mallory", "GET", "/api/v1/audit?limit=0")
    assert answer.status_code == 403
    assert "totalCount" not in answer.text
    await store.close()


async def test_names_of_users_are_data_and_nothing_else(tmp_path: Path) -> None:
    """An OIDC provider may let people choose their names."""
    store = SqlRecords(await new_store(tmp_path))
    under = Under(store)
    name = "a'%22-- \\u001b[2J"
    await under.send(name, "POST", f"{JOBS}/a-1/stop")
    assert [line["userName"] for line in await under.lines()] == [name]
    await store.close()


async def test_what_another_cluster_s_job_is_stands_in_no_line_here(tmp_path: Path) -> None:
    """Both clusters have their records in one store: who may read the audit here need not be anyone there."""
    store = SqlRecords(await new_store(tmp_path))
    await store.add(replace(on("job-1", "n1"), cluster_id="elsewhere", job_name="secret plan"))
    await store.add(replace(on("job-2", "n1"), cluster_id="local"))
    under = Under(store)
    for job_id in ("job-1", "job-2"):
        await under.send("auditor", "POST", f"{JOBS}/{job_id}/stop")
    lines = await under.lines()
    told = [(line["jobId"], line["jobName"], line["nodes"]) for line in lines]
    assert told == [("job-2", "Upgrade", 1), ("job-1", "", 0)]
    assert lines[1]["type"] == lines[1]["workspaceId"] == ""
    found = (await under.send("auditor", "GET", "/api/v1/audit", params={"node": "n1"})).json()
    assert [line["jobId"] for line in found["items"]] == ["job-2"]
    await store.close()
