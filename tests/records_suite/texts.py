"""Long texts: each kept once, as long as a job needs it, and not written again with every change."""

import base64
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from service.domain.job import Job, JobType, Phase
from service.records.engine import Database
from service.records.rows import to_body
from service.records.store import SqlRecords
from service.records.tables import job_texts, jobs, texts
from tests.records_suite.example import NOON, a_job

LATER = NOON + timedelta(days=1)


def script(seed: int = 1, size: int = 200_000) -> str:
    return "#!/bin/sh\n" + random.Random(seed).randbytes(size // 2).hex()  # noqa: S311 - of no use to anybody


def preflight(job_id: str, text: str, **fields: Any) -> Job:
    """As submission writes it: the script decoded in its files, and as it was sent in its options."""
    encoded = base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()
    options = {"image": "busybox", "entryPoint": encoded, "env": {"A": "b"}, "resource": {"cpu": "1"}}
    work = {"parameters": {"nodes": '["n1"]'}, "files": {"script": text, "short": "x"}}
    return a_job(job_id, type=JobType.PREFLIGHT, options=options, work=work, **fields)


async def kept(url: str) -> tuple[int, int, int]:
    """How many texts, how many needs of one, and the longest record."""
    database = Database(url)
    async with database.reading() as connection:
        found = (
            await connection.scalar(select(func.count()).select_from(texts)) or 0,
            await connection.scalar(select(func.count()).select_from(job_texts)) or 0,
            await connection.scalar(select(func.max(func.length(jobs.c.body)))) or 0,
        )
    await database.close()
    return found


class TestTexts:
    @pytest.mark.parametrize("text", [script(), "a" * 5000, "é\0\ud83d" * 2000, "echo short"], ids=range(4))
    async def test_they_come_back_as_they_were(self, store: SqlRecords, text: str) -> None:
        job = preflight("check-abc123", text)
        await store.add(job)
        assert await store.get("check-abc123") == job

    async def test_base64_that_is_not_the_scripts_own_comes_back_too(self, store: SqlRecords) -> None:
        job = preflight("check-abc123", script())
        job = replace(job, options={**job.options, "entryPoint": str(job.options["entryPoint"]) + "\n"})
        await store.add(job)
        assert await store.get("check-abc123") == job

    async def test_one_script_of_many_jobs_is_kept_once(self, url: str, store: SqlRecords) -> None:
        """It was stored twice with every job: 1.8 MB for one of 0.95 MB."""
        for number in range(5):
            await store.add(preflight(f"check-{number}", script()))
        count, needs, longest = await kept(url)
        assert (count, needs) == (1, 5)
        assert longest < 5_000

    async def test_a_change_does_not_read_or_write_them(self, url: str, store: SqlRecords) -> None:
        job = preflight("check-abc123", script())
        await store.add(job)
        seen = []

        def running(job: Job) -> Job:
            seen.append(len(to_body(job)))
            return replace(job, phase=Phase.RUNNING)

        await store.change(job.job_id, running)
        assert seen[0] < 5_000
        assert await store.get(job.job_id) == replace(job, phase=Phase.RUNNING)
        assert (await kept(url))[:2] == (1, 1)

    async def test_the_record_alone_is_small(self, store: SqlRecords) -> None:
        await store.add(preflight("check-abc123", script()))
        short = await store.get("check-abc123", texts=False)
        assert short is not None
        assert len(to_body(short)) < 5_000

    async def test_they_go_with_the_last_job_that_can_be_run_or_retried(self, url: str, store: SqlRecords) -> None:
        for job_id in ("deleted", "old", "lives"):
            await store.add(preflight(job_id, script()))
        await store.add(preflight("other", script(2)))
        over: dict[str, Any] = {"phase": Phase.FAILED, "ended": NOON, "workflow_gone": True}
        await store.change("deleted", lambda job: replace(job, hidden=True))  # its Workflow may still be to be made
        assert (await kept(url))[1] == 4
        await store.change("deleted", lambda job: replace(job, **over))
        await store.change("old", lambda job: replace(job, **over))
        assert (await kept(url))[1] == 3  # old can be retried
        await store.forget("prod", LATER)
        assert (await kept(url))[1] == 2
        assert await store.drop_unused_texts(LATER) == 0
        await store.change("lives", lambda job: replace(job, hidden=True, **over))
        assert await store.drop_unused_texts(NOON) == 0  # a submission may be about to need it
        assert await store.drop_unused_texts(LATER) == 1
        assert (await kept(url))[:2] == (1, 1)

    async def test_what_is_left_of_a_deleted_job_has_no_script(self, store: SqlRecords) -> None:
        job = preflight("check-abc123", script(), phase=Phase.FAILED, ended=NOON)
        await store.add(job)
        await store.change(job.job_id, lambda job: replace(job, hidden=True, workflow_gone=True))
        await store.drop_unused_texts(LATER)
        left = await store.get(job.job_id)
        assert left is not None
        assert left.work["files"] == {"short": "x"}
        assert "entryPoint" not in left.options

    async def test_a_record_of_the_release_before_is_made_small_when_it_changes(
        self, url: str, store: SqlRecords
    ) -> None:
        job = preflight("check-abc123", script(), created=datetime(2026, 4, 1, tzinfo=UTC))
        await store.add(replace(job, work={}, options={}))
        database = Database(url)
        async with database.writing() as connection:
            await connection.execute(jobs.update().values(body=to_body(job)))
        await database.close()
        assert await store.get(job.job_id) == job
        await store.change(job.job_id, lambda job: replace(job, phase=Phase.RUNNING))
        assert await store.get(job.job_id) == replace(job, phase=Phase.RUNNING)
        count, needs, longest = await kept(url)
        assert (count, needs, longest < 5_000) == (1, 1, True)
