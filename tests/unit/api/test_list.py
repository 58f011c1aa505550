"""What a list answers over HTTP, from a real store; and that a store which fails meanwhile changes no refusal."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.domain.cluster_objects import Caller, Workspace
from service.domain.job import Job, JobType, Phase, Plan, PlannedNode
from service.domain.phase import without_workflow
from service.domain.request_faults import Fault, RefusedError
from service.jobs.ports import Claim, Records, UnavailableError
from service.records import open_records
from service.records.store import SqlRecords
from tests.new_store import new_store
from tests.records_suite.example import a_job
from tests.unit.api.test_app import is_problem
from tests.unit.api.wired import app_of

JOBS = "/api/v1/opsjobs"
NOW = datetime.now(UTC)
EIGHT = datetime(2025, 1, 10, 8, tzinfo=UTC)


class Alice:
    """Reviews and a cluster for a caller who sees her own jobs, and may create any."""

    async def caller(self, _token: str) -> Caller:
        return Caller("user-1", "alice")

    async def granted(self, _who: Caller, verb: str, kinds: Any, _namespaces: Any) -> frozenset[Any]:
        return frozenset((kind, None) for kind in kinds) if verb == "create" else frozenset()

    async def workspaces(self, **_how: bool) -> dict[str, Workspace]:
        return {}

    def now(self) -> datetime:
        return NOW

    async def stop_workflow(self, job_id: str, *, by: str) -> None:
        assert (job_id, by) == ("upgrade-abc123", "alice")


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[SqlRecords]:
    async with open_records(await new_store(tmp_path)) as opened:
        yield opened


def api(records: Records, **wired: Any) -> httpx.AsyncClient:
    alice = Alice()
    app = app_of(**{"reviews": alice, "cluster": alice, "records": records} | wired)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers={"Authorization": "Bearer t"})


async def listed(records: Records, query: str = "") -> list[str]:
    async with api(records) as client:
        answer = await client.get(f"{JOBS}?{query}")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["totalCount"] == len(body["items"])
    return [item["jobId"] for item in body["items"]]


@pytest.mark.parametrize("value", ["maybe", "TRUE", "2"])
async def test_include_deleted_is_true_or_false(records: SqlRecords, value: str) -> None:
    async with api(records) as client:
        answer = await client.get(JOBS, params={"includeDeleted": value})
    assert is_problem(answer, 400)
    assert [fault["path"] for fault in answer.json()["errors"]] == ["includeDeleted"]


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        ("2025-01-10T08:00:00.000Z", "2025-01-10T08:00:00.002Z", ["c", "b", "a"]),
        ("2025-01-10T16:00:00.001%2B08:00", "2025-01-10T08:00:00.002Z", ["c", "b"]),
        ("2025-01-10T08:00:00Z", "2025-01-10T04:30:00.001-03:30", ["b", "a"]),
        ("2025-01-10T16:00:00.001+08:00", "2025-01-10T16:00:00.001+08:00", ["b"]),
        ("2025-01-10T08:00:00.0001Z", "2025-01-10T08:00:00.0019Z", ["b"]),
        ("2025-01-10T08:00:00.003Z", "2025-01-10T09:00:00Z", []),
    ],
)
async def test_both_ends_of_since_and_until_are_included(
    records: SqlRecords, since: str, until: str, found: list[str]
) -> None:
    for number, name in enumerate("abc"):
        await records.add(a_job(name, created=EIGHT + timedelta(milliseconds=number)))
    assert await listed(records, f"since={since}&until={until}") == found


async def test_a_job_of_a_replica_whose_clock_is_ahead_is_in_the_list_at_once(records: SqlRecords) -> None:
    await records.add(a_job("ahead", created=NOW + timedelta(minutes=2)))
    assert await listed(records) == ["ahead"]
    assert await listed(records, f"until={NOW:%Y-%m-%dT%H:%M:%SZ}") == []


async def test_a_stopped_job_stays_in_the_list_and_so_does_one_whose_workflow_has_gone(records: SqlRecords) -> None:
    job = a_job(created=NOW)
    await records.add(job)
    async with api(records) as client:
        assert (await client.post(f"{JOBS}/{job.job_id}/stop")).status_code == 200
    assert await listed(records) == [job.job_id]
    gone = await records.change(job.job_id, lambda job: without_workflow(job, NOW))
    assert (gone.phase, gone.conditions[-1].reason) == (Phase.FAILED, "Stopped")  # type: ignore[union-attr]  # it is there
    assert await listed(records, "phase=Failed") == [job.job_id]


async def test_a_deleted_job_is_in_the_list_only_where_it_is_asked_for(records: SqlRecords) -> None:
    def deleted(job: Job) -> Job:
        return replace(job, hidden=True)

    await records.add(a_job(created=NOW))
    await records.change(a_job().job_id, deleted)
    assert await listed(records) == []
    assert await listed(records, "includeDeleted=false") == []
    assert await listed(records, "includeDeleted=true") == [a_job().job_id]


async def test_of_a_nodes_jobs_the_caller_sees_those_that_are_planned_there_and_theirs(
    records: SqlRecords,
) -> None:
    both, other = (Plan(tuple(map(PlannedNode, names))) for names in (("n1", "n2"), ("n10",)))
    await records.add(a_job("older", created=NOW - timedelta(hours=1), plan=both))
    await records.add(a_job("newer", created=NOW, plan=both, type=JobType.REBOOT))
    await records.add(a_job("on-another-node", created=NOW, plan=other))
    await records.add(a_job("of-another-user", created=NOW, plan=both, user_id="user-2"))
    assert await listed(records, "node=n1") == ["newer", "older"]
    assert await listed(records, "node=n1&type=reboot") == ["newer"]
    assert await listed(records, "node=n3") == []
    assert len(await listed(records, "node=")) == 3


class Gone:
    """A store that went after it had taken the key."""

    async def release(self, _key: object) -> None:
        raise UnavailableError("the record store does not answer")


class Refusing:
    """A submission that finds a fault."""

    cluster_id = "prod"

    def over_limits(self, _order: object) -> list[Fault]:
        return []

    async def claim(self, _key: object) -> str | None:
        return Claim().job_id

    async def select(self, _order: object, _who: object) -> None:
        raise RefusedError([Fault("inputs", "come to no node")])


async def test_a_refusal_stays_one_where_the_key_cannot_be_given_back() -> None:
    body = {"name": "a", "type": "reboot", "inputs": [{"name": "node", "value": "n"}]}
    async with api(Gone(), submission=Refusing()) as client:  # type: ignore[arg-type]  # all that is asked of it
        answer = await client.post(JOBS, json=body, headers={"Idempotency-Key": "k"})
    assert is_problem(answer, 400)
    assert "come to no node" in answer.json()["errorMessage"]
