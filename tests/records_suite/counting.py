"""What has ended is counted in the transaction that ends it, once, and dropping a record lowers nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from service.domain.ended_counts import SUM, Count, Counted
from service.domain.job import Condition, Job, JobType, NodePhase, Phase, Plan, PlannedNode
from service.records.store import SqlRecords
from tests.records_suite.example import NOON, a_job

#: 90 s and 0.25 s after it began.
ENDED = NOON + timedelta(seconds=90, milliseconds=250)


def as_failed(job: Job, reason: str = "Timeout") -> Job:
    nodes = (PlannedNode("n1", NodePhase.SUCCEEDED), PlannedNode("n2", NodePhase.FAILED))
    condition = Condition(Phase.FAILED, reason, "it took too long", ENDED)
    ended = replace(job, phase=Phase.FAILED, started=NOON, ended=ENDED, workflow_gone=True)
    return replace(ended, conditions=(condition,), plan=Plan(nodes))


def counted(value: int, of: Counted, detail: str, kind: JobType = JobType.ADDON) -> dict[Count, int]:
    return {Count(of, kind, detail): value}


class TestCounting:
    async def test_the_end_of_a_job_is_counted_once_and_for_good(self, store: SqlRecords) -> None:
        await store.add(a_job())
        assert await store.ended_counts("prod") == {}
        await store.change("upgrade-abc123", as_failed)
        await store.change("upgrade-abc123", lambda job: replace(job, hidden=True))
        expected = {
            **counted(1, Counted.JOBS, "Failed/Timeout"),
            **counted(1, Counted.NODES, "succeeded"),
            **counted(1, Counted.NODES, "failed"),
            **counted(1, Counted.DURATION, "120"),
            **counted(90_250, Counted.DURATION, SUM),
            **counted(1, Counted.WAIT, "1"),
            **counted(0, Counted.WAIT, SUM),
        }
        assert await store.ended_counts("prod") == expected
        assert await store.forget("prod", ENDED + timedelta(days=1)) == 1
        assert await store.ended_counts("prod") == expected

    async def test_a_change_that_is_not_written_counts_nothing(self, store: SqlRecords) -> None:
        await store.add(a_job())

        def fails(job: Job) -> Job:
            # The count is written last: what is refused there takes the end of the job back with it.
            return replace(as_failed(job), type=JobType.REBOOT, job_id="another")

        with pytest.raises(ValueError, match="must keep its id"):
            await store.change("upgrade-abc123", fails)
        assert await store.ended_counts("prod") == {}

    async def test_each_cluster_has_its_own(self, store: SqlRecords) -> None:
        for cluster_id in ("prod", "dev", "dev"):
            job_id = f"job-{cluster_id}-{len(await store.unfinished(cluster_id))}"
            await store.add(a_job(job_id, cluster_id=cluster_id))
        for job_id in [*await store.unfinished("prod"), *await store.unfinished("dev")]:
            await store.change(job_id, as_failed)
        jobs = Count(Counted.JOBS, JobType.ADDON, "Failed/Timeout")
        assert (await store.ended_counts("prod"))[jobs] == 1
        assert (await store.ended_counts("dev"))[jobs] == 2
        assert await store.ended_counts("elsewhere") == {}

    async def test_jobs_that_end_at_the_same_moment_are_all_counted(
        self, store: SqlRecords, replica: SqlRecords
    ) -> None:
        ends: dict[str, Callable[[Job], Job]] = {}
        for number in range(12):
            ends[f"job-{number:02}"] = lambda job, reason=f"Reason{number % 3}": as_failed(job, reason)  # type: ignore[misc]
            await store.add(a_job(f"job-{number:02}"))
        both = (store, replica)
        await asyncio.gather(*(both[place % 2].change(*end) for place, end in enumerate(ends.items())))
        found = await store.ended_counts("prod")
        assert [found[Count(Counted.JOBS, JobType.ADDON, f"Failed/Reason{number}")] for number in range(3)] == [4] * 3
        assert found[Count(Counted.NODES, JobType.ADDON, "failed")] == 12

    async def test_what_has_not_ended_is_counted_by_type_and_phase(self, store: SqlRecords) -> None:
        await store.add(a_job("job-1"))
        await store.add(a_job("job-2", created=NOON - timedelta(days=9)))
        await store.add(a_job("job-3", type=JobType.REBOOT))
        await store.add(a_job("job-4", cluster_id="dev"))
        await store.change("job-3", lambda job: replace(job, phase=Phase.RUNNING, started=NOON))
        await store.change("job-2", lambda job: replace(job, hidden=True))
        found = {key: number for key, number in (await store.unfinished_counts("prod")).items() if number}
        assert found == {("addon", "Pending"): 2, ("reboot", "Running"): 1}
