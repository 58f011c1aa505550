"""How often a record was changed, and that whoever follows it is told, whichever release or replica changed it."""

import asyncio
from dataclasses import replace
from typing import Any

from sqlalchemy import update

from service.domain.job import Phase
from service.records.engine import Database
from service.records.listening import LOOK_SECONDS_AT_MOST
from service.records.migrate import migrate, upgrade
from service.records.rows import to_job_row
from service.records.store import SqlRecords
from service.records.tables import jobs
from tests.records_suite.example import NOON, a_job
from tests.records_suite.planned import on
from tests.records_suite.release_before import write_as_before


def to(phase: Phase) -> Any:
    return lambda job: replace(job, phase=phase)


class TestVersions:
    async def test_a_version_grows_with_each_change_and_with_nothing_else(self, store: SqlRecords) -> None:
        await store.add(on("job-1", "n1"))
        await store.add(a_job("job-2"))
        assert await store.get_version("job-1") == (on("job-1", "n1"), 0)
        await store.change("job-1", to(Phase.RUNNING))
        await store.change("job-1", to(Phase.RUNNING))
        found = await store.get_version("job-1")
        assert found is not None
        assert (found[0].phase, found[1]) == (Phase.RUNNING, 1)
        assert await store.versions(["job-1", "job-2", "unknown"]) == {"job-1": 1}
        assert await store.versions([]) == {}
        assert await store.get_version("unknown") is None

    async def test_what_the_release_before_writes_counts_too(self, empty_url: str) -> None:
        database = Database(empty_url)

        async with database.writing() as connection:
            await connection.run_sync(upgrade, "0005")
        await write_as_before(database, a_job("job-1"))
        await migrate(empty_url)
        store = SqlRecords(empty_url)
        async with database.writing() as connection:
            changed = to_job_row(a_job("job-1", phase=Phase.RUNNING))
            await connection.execute(update(jobs).where(jobs.c.job_id == "job-1").values(changed))
        assert await store.versions(["job-1"]) == {"job-1": 1}
        await store.close()
        await database.close()

    async def test_what_is_dropped_leaves_no_version(self, store: SqlRecords) -> None:
        await store.add(a_job("old"))
        await store.change("old", lambda job: replace(job, ended=NOON, workflow_gone=True, phase=Phase.FAILED))
        await store.forget("prod", NOON.replace(year=2027))
        assert await store.versions(["old"]) == {}

    async def test_a_look_comes_soon_after_a_change_by_another_replica(
        self, store: SqlRecords, replica: SqlRecords
    ) -> None:
        await store.add(a_job("job-1"))
        await store.next_look()
        looking = asyncio.create_task(store.next_look())
        await replica.change("job-1", to(Phase.RUNNING))
        async with asyncio.timeout(10 * LOOK_SECONDS_AT_MOST):
            await looking
            while not await store.versions(["job-1"]):
                await store.next_look()
