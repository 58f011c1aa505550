"""So many unfinished jobs and no more, however many are added at the same moment."""

import asyncio
from dataclasses import replace

import pytest

from service.domain.job import Job, Phase
from service.jobs.ports import Quota, QuotaError
from service.records.store import SqlRecords
from tests.records_suite.example import a_job, a_key

THREE = Quota(per_caller=3)


class TestQuotas:
    async def test_jobs_that_are_added_at_the_same_moment_are_counted_exactly(self, store: SqlRecords) -> None:
        async def add(number: int) -> bool:
            try:
                await store.add(a_job(f"job-{number}"), None, THREE)
            except QuotaError:
                return False
            return True

        assert sum(await asyncio.gather(*(add(number) for number in range(12)))) == 3
        assert len(await store.unfinished("prod")) == 3

    async def test_a_finished_job_makes_room_for_another(self, store: SqlRecords) -> None:
        for number in range(3):
            await store.add(a_job(f"job-{number}"), None, THREE)
        with pytest.raises(QuotaError, match="you have 3 unfinished jobs, and at most 3 are accepted at a time"):
            await store.add(a_job("one-more"), None, THREE)
        await store.change("job-0", lambda job: replace(job, phase=Phase.FAILED))
        await store.add(a_job("one-more"), None, THREE)

    async def test_callers_and_workspaces_are_counted_apart(self, store: SqlRecords) -> None:
        one = Quota(per_caller=1, per_workspace=2)
        await store.add(a_job("a", user_id="alice", workspace_id="team-a"), None, one)
        await store.add(a_job("b", user_id="bob", workspace_id="team-a"), None, one)
        with pytest.raises(QuotaError, match="workspace 'team-a' has 2 unfinished jobs, and at most 2"):
            await store.add(a_job("c", user_id="carol", workspace_id="team-a"), None, one)
        await store.add(a_job("c", user_id="carol"), None, one)
        await store.add(a_job("d", user_id="dave"), None, one)

    async def test_each_cluster_counts_its_own(self, store: SqlRecords) -> None:
        await store.add(a_job("here"), None, Quota(per_caller=1))
        await store.add(a_job("there", cluster_id="test"), None, Quota(per_caller=1))

    async def test_without_a_number_there_is_no_limit(self, store: SqlRecords) -> None:
        for number in range(5):
            await store.add(a_job(f"job-{number}", workspace_id="team-a"), None, Quota())

    async def test_a_refused_job_leaves_nothing_and_its_key_free(self, store: SqlRecords) -> None:
        none_left = Quota(per_caller=1)
        await store.add(a_job("first"), None, none_left)
        refused: Job = a_job("second")
        await store.claim(a_key(), refused.created)
        with pytest.raises(QuotaError):
            await store.add(refused, a_key(), none_left)
        await store.release(a_key())
        assert await store.get("second") is None
        assert (await store.claim(a_key(), refused.created)).job_id is None
