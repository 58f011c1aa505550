"""A job that was added is there: at once, for everyone, whole, and once."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.pool import PoolProxiedConnection

from service.domain.job import (
    Condition,
    ExcludedNode,
    Job,
    JobType,
    Named,
    NodePhase,
    Phase,
    Plan,
    PlannedNode,
)
from service.jobs.ports import Claim, UnavailableError
from service.records.store import SqlRecords
from tests.records_suite.example import NOON, a_job, a_key, a_query

FULL = a_job(
    "full-job-000001",
    job_name='Grüße "{{workflow.name}}" \\ 中文 😀 \x00 \u2028',
    type=JobType.PREFLIGHT,
    workspace_id="team-a",
    timeout_second=7200,
    phase=Phase.FAILED,
    conditions=(
        Condition(Phase.PENDING, "Created", "job created", NOON + timedelta(microseconds=123_456)),
        Condition(Phase.FAILED, "Timeout", "node gpu-1: 'x'", NOON, status="False"),
    ),
    inputs=(Named("node", "gpu-1"), Named("node", "")),
    outputs=(Named("report", "s3://bucket/a b.json"),),
    plan=Plan(
        (PlannedNode("gpu-1", NodePhase.SKIPPED, "never begun", NOON, NOON + timedelta(seconds=1)), PlannedNode("b")),
        (ExcludedNode("gpu-2", "NotReady"),),
    ),
    started=NOON + timedelta(milliseconds=1),
    ended=NOON + timedelta(hours=2),
    deletion_time=NOON + timedelta(hours=3),
    hidden=True,
    stop_requested=NOON,
    options={"env": {"A": "1"}, "hostpath": ["/var/log"], "isTolerateAll": True, "batchCount": 3, "none": None},
    work={"parameters": {"nodes": '["gpu-1"]'}, "files": {"addons.json": "{}"}},
    template="opsjob-preflight-0a1b2c3d",
    workflow_uid="uid",
    workflow_version="42",
    workflow_gone=True,
)


class TestAdding:
    @pytest.mark.parametrize("job", [a_job(), FULL], ids=["least", "full"])
    async def test_every_field_comes_back_as_it_was(self, store: SqlRecords, job: Job) -> None:
        await store.add(job)
        assert await store.get(job.job_id) == job

    async def test_another_replica_reads_it_at_once(self, store: SqlRecords, replica: SqlRecords) -> None:
        await store.add(a_job())
        assert await replica.get(a_job().job_id) == a_job()
        assert (await replica.page(a_query())).total == 1

    async def test_it_is_listed_as_the_document_shows_it(self, store: SqlRecords) -> None:
        await store.add(replace(FULL, hidden=False))
        page = await store.page(a_query())
        assert [json.loads(item) for item in page.items] == [
            {
                "jobId": "full-job-000001",
                "jobName": FULL.job_name,
                "clusterId": "prod",
                "workspaceId": "team-a",
                "userId": "user-1",
                "userName": "alice",
                "type": "preflight",
                "phase": "Failed",
                "creationTime": "2026-05-01T12:00:00.000Z",
                "startTime": "2026-05-01T12:00:00.001Z",
                "endTime": "2026-05-01T14:00:00.000Z",
                "deletionTime": "2026-05-01T15:00:00.000Z",
                "timeoutSecond": 7200,
            }
        ]

    async def test_times_that_are_not_there_are_listed_empty(self, store: SqlRecords) -> None:
        await store.add(a_job())
        (item,) = (await store.page(a_query())).items
        shown = json.loads(item)
        assert (shown["startTime"], shown["endTime"], shown["deletionTime"]) == ("", "", "")

    async def test_there_is_no_job_that_was_not_added(self, store: SqlRecords) -> None:
        await store.add(a_job("a"))
        assert await store.get("b") is None
        assert await store.get("") is None

    @pytest.mark.parametrize("done", [True, False])
    async def test_a_commit_whose_answer_is_lost_is_looked_up(
        self, store: SqlRecords, replica: SqlRecords, monkeypatch: pytest.MonkeyPatch, *, done: bool
    ) -> None:
        dialect = (await store._database.engine()).sync_engine.dialect
        commit, rollback = dialect.do_commit, dialect.do_rollback

        def lost(connection: PoolProxiedConnection) -> None:
            monkeypatch.undo()  # the connection after this one is a good one
            (commit if done else rollback)(connection)
            raise ConnectionResetError("the connection was reset")

        await store.claim(a_key(), NOON)
        monkeypatch.setattr(dialect, "do_commit", lost)
        if done:
            await store.add(a_job(), a_key())
        else:
            with pytest.raises(UnavailableError, match="the connection was reset"):
                await store.add(a_job(), a_key())
        assert await replica.get(a_job().job_id) == (a_job() if done else None)
        expected = Claim(job_id=a_job().job_id) if done else Claim(in_flight=True)
        assert await replica.claim(a_key(), NOON) == expected

    async def test_an_id_is_used_once(self, store: SqlRecords) -> None:
        await store.add(a_job(job_name="first"))
        with pytest.raises(UnavailableError, match="upgrade-abc123 is taken"):
            await store.add(a_job(job_name="second"))
        found = await store.get(a_job().job_id)
        assert found is not None
        assert found.job_name == "first"
        assert (await store.page(a_query())).total == 1

    async def test_a_refused_add_does_not_complete_its_key(self, store: SqlRecords) -> None:
        await store.add(a_job())
        await store.claim(a_key(), NOON)
        with pytest.raises(UnavailableError):
            await store.add(a_job(), a_key())
        await store.release(a_key())
        assert (await store.claim(a_key(), NOON)).job_id is None

    async def test_of_many_at_once_none_is_lost(self, store: SqlRecords, replica: SqlRecords) -> None:
        jobs = [a_job(f"job-{number}") for number in range(40)]
        await asyncio.gather(*((store, replica)[number % 2].add(job) for number, job in enumerate(jobs)))
        assert (await store.page(a_query())).total == 40
        assert sorted(await store.unfinished("prod")) == sorted(job.job_id for job in jobs)

    async def test_names_of_any_length_are_stored_and_found(self, store: SqlRecords) -> None:
        job = a_job(job_name="中" * 253, user_name="😀" * 2_000 + "end")
        await store.add(job)
        assert await store.get(job.job_id) == job
        assert (await store.page(a_query(user_name="😀end", job_name="中" * 253))).total == 1
