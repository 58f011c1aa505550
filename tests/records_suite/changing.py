"""A change is one step for everyone: all of it or nothing, one after another."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.domain.job import Job, Phase
from service.records.store import SqlRecords
from tests.records_suite.example import NOON, a_job, a_query


def counted(job: Job) -> Job:
    return replace(job, timeout_second=job.timeout_second + 1)


class TestChanging:
    async def test_the_record_and_its_list_item_change_together(self, store: SqlRecords) -> None:
        await store.add(a_job())
        changed = await store.change(a_job().job_id, lambda job: replace(job, phase=Phase.RUNNING, started=NOON))
        assert changed == replace(a_job(), phase=Phase.RUNNING, started=NOON)
        assert await store.get(a_job().job_id) == changed
        (item,) = (await store.page(a_query(phase=Phase.RUNNING))).items
        assert json.loads(item)["startTime"] == "2026-05-01T12:00:00.000Z"
        assert (await store.page(a_query(phase=Phase.PENDING))).total == 0

    async def test_what_no_list_shows_changes_too(self, store: SqlRecords) -> None:
        await store.add(a_job())
        await store.change(a_job().job_id, lambda job: replace(job, workflow_version="7"))
        found = await store.get(a_job().job_id)
        assert found is not None
        assert found.workflow_version == "7"

    async def test_there_is_nothing_to_change_in_a_job_that_is_not_there(self, store: SqlRecords) -> None:
        def never(job: Job) -> Job:
            raise AssertionError(f"called with {job}")

        assert await store.change("absent", never) is None

    async def test_an_unchanged_job_is_answered(self, store: SqlRecords) -> None:
        await store.add(a_job())
        assert await store.change(a_job().job_id, lambda job: job) == a_job()

    async def test_a_change_that_fails_leaves_everything_as_it_was(self, store: SqlRecords) -> None:
        await store.add(a_job())

        def broken(_job: Job) -> Job:
            raise LookupError("no")

        with pytest.raises(LookupError):
            await store.change(a_job().job_id, broken)
        assert await store.get(a_job().job_id) == a_job()
        assert await store.change(a_job().job_id, counted) is not None

    @pytest.mark.parametrize("other", [{"job_id": "other"}, {"created": NOON + timedelta(seconds=1)}])
    async def test_id_and_creation_time_stay(self, store: SqlRecords, other: dict[str, Any]) -> None:
        await store.add(a_job())
        with pytest.raises(ValueError, match="must keep its id"):
            await store.change(a_job().job_id, lambda job: replace(job, **other))

    async def test_changes_at_once_happen_one_after_another(self, store: SqlRecords, replica: SqlRecords) -> None:
        await store.add(a_job())
        await asyncio.gather(*((store, replica)[n % 2].change(a_job().job_id, counted) for n in range(40)))
        found = await store.get(a_job().job_id)
        assert found is not None
        assert found.timeout_second == 40


class TestUnfinished:
    async def test_jobs_whose_workflow_is_there_oldest_first(self, store: SqlRecords) -> None:
        for number, gone in enumerate([False, True, False, False]):
            created = NOON - timedelta(minutes=number)
            await store.add(a_job(f"job-{number}", created=created, workflow_gone=gone, hidden=number == 2))
        assert await store.unfinished("prod") == ["job-3", "job-2", "job-0"]
        await store.change("job-3", lambda job: replace(job, workflow_gone=True))
        assert await store.unfinished("prod") == ["job-2", "job-0"]


class TestUnsettled:
    @pytest.mark.parametrize(
        ("fields", "unsettled"),
        [
            ({}, True),
            ({"workflow_uid": "u"}, False),
            ({"workflow_uid": "u", "phase": Phase.RUNNING, "stop_requested": NOON}, True),
            ({"workflow_uid": "u", "phase": Phase.FAILED, "stop_requested": NOON}, False),
            ({"workflow_uid": "u", "phase": Phase.SUCCEEDED, "hidden": True}, True),
            ({"hidden": True, "stop_requested": NOON, "workflow_gone": True}, False),
        ],
        ids=["no Workflow seen", "runs", "to be stopped", "stopped", "to be deleted", "Workflow gone"],
    )
    async def test_jobs_that_ask_for_something_in_the_cluster(
        self, store: SqlRecords, fields: dict[str, Any], *, unsettled: bool
    ) -> None:
        await store.add(a_job(**fields))
        assert await store.unsettled("prod") == ([a_job().job_id] if unsettled else [])

    async def test_a_change_settles_it(self, store: SqlRecords) -> None:
        for number in range(3):
            await store.add(a_job(f"job-{number}", created=NOON - timedelta(minutes=number)))
        await store.change("job-1", lambda job: replace(job, workflow_uid="seen"))
        assert await store.unsettled("prod") == ["job-2", "job-0"]


class TestForgetting:
    async def test_only_what_ended_before_and_left_nothing_in_the_cluster(self, store: SqlRecords) -> None:
        before, after = NOON - timedelta(milliseconds=1), NOON
        await store.add(a_job("ended-before", ended=before, workflow_gone=True))
        await store.add(a_job("hidden-before", ended=before, workflow_gone=True, hidden=True))
        await store.add(a_job("ended-at-that-moment", ended=after, workflow_gone=True))
        await store.add(a_job("workflow-still-there", ended=before))
        await store.add(a_job("never-ended", workflow_gone=True))
        assert await store.count_ended("prod", NOON) == 2
        assert await store.forget("prod", NOON) == 2
        page = await store.page(a_query(include_deleted=True))
        kept = {json.loads(item)["jobId"] for item in page.items}
        assert kept == {"ended-at-that-moment", "workflow-still-there", "never-ended"}
        assert page.total == 3
        assert await store.get("ended-before") is None
        assert await store.forget("prod", NOON) == 0

    async def test_those_that_are_named_and_no_others(self, store: SqlRecords) -> None:
        for number in range(3):
            await store.add(a_job(f"job-{number}", ended=NOON, workflow_gone=True))
        await store.add(a_job("workflow-still-there", ended=NOON))
        later = NOON + timedelta(days=1)
        assert await store.forgettable("prod", NOON) == []
        assert await store.forgettable("prod", later) == ["job-0", "job-1", "job-2"]
        assert await store.forget("prod", later, only=["job-0", "job-2", "workflow-still-there", "none"]) == 2
        assert await store.forgettable("prod", later) == ["job-1"]
        assert await store.forget("prod", later, only=[]) == 0

    async def test_more_than_one_batch(self, store: SqlRecords, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("service.records.retention.BATCH", 3)
        for number in range(7):
            await store.add(a_job(f"job-{number}", ended=NOON, workflow_gone=True))
        assert await store.forget("prod", NOON + timedelta(days=1)) == 7
        assert (await store.page(a_query())).total == 0
