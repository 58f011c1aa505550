"""Which jobs are planned on a node: known of every record, whichever release wrote it, and as long as that."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import delete, text

from service.domain.job import Condition, Job, Phase, Plan, PlannedNode
from service.records.engine import Database
from service.records.migrate import migrate, upgrade
from service.records.store import SqlRecords
from service.records.tables import jobs, planned_nodes
from tests.records_suite.example import NOON, a_job, a_query
from tests.records_suite.listing import ids
from tests.records_suite.release_before import write_as_before


def on(job_id: str, *names: str, **fields: object) -> Job:
    return a_job(job_id, plan=Plan(tuple(map(PlannedNode, names))), **fields)


async def rows(url: str) -> set[tuple[str, str]]:
    database = Database(url)
    async with database.reading() as connection:
        found = (await connection.execute(planned_nodes.select())).all()
    await database.close()
    return {(row.node, row.job_id) for row in found}


class TestPlannedNodes:
    async def test_the_history_of_a_machine_is_newest_first(self, store: SqlRecords) -> None:
        for number in range(6):
            names = ("n1", "n2") if number % 2 else ("n2",)
            await store.add(on(f"job-{number}", *names, created=NOON + timedelta(minutes=number)))
        page = await store.page(a_query(node="n1", limit=2))
        assert (page.total, ids(page.items)) == (3, ["job-5", "job-3"])

    async def test_jobs_that_the_release_before_wrote_are_found(self, empty_url: str) -> None:
        """Before the migration, and while both releases run: it writes the two tables that it knows."""
        database = Database(empty_url)

        async with database.writing() as connection:
            await connection.run_sync(upgrade, "0004")
        await write_as_before(database, on("before", "n1", "n2", created=NOON - timedelta(days=400)))
        await write_as_before(database, a_job("of-no-node"))
        # PostgreSQL would not read such a record as JSON.
        await write_as_before(
            database, on("with-nul", "n1", conditions=(Condition(Phase.PENDING, "Created", "\0 \\\0", NOON),))
        )
        await migrate(empty_url)
        await write_as_before(database, on("beside", "n1"))
        store = SqlRecords(empty_url)
        page = await store.page(a_query(node="n1", since=NOON - timedelta(days=500)))
        assert ids(page.items) == ["with-nul", "beside", "before"]
        assert await rows(empty_url) == {("n1", "before"), ("n2", "before"), ("n1", "with-nul"), ("n1", "beside")}
        async with database.writing() as connection:  # and it drops what is old
            await connection.execute(delete(jobs).where(jobs.c.job_id == "with-nul"))
        assert ("n1", "with-nul") not in await rows(empty_url)
        await store.close()
        await database.close()

    async def test_what_is_dropped_leaves_nothing_behind(self, url: str, store: SqlRecords) -> None:
        await store.add(on("old", "n1", "n2", ended=NOON, workflow_gone=True))
        await store.add(on("new", "n2"))
        await store.forget("prod", NOON + timedelta(days=1))
        assert await rows(url) == {("n2", "new")}

    async def test_a_change_of_the_job_leaves_its_nodes_as_they_are(self, url: str, store: SqlRecords) -> None:
        await store.add(on("job-1", "n1"))
        await store.change("job-1", lambda job: replace(job, phase=Phase.RUNNING))
        assert await rows(url) == {("n1", "job-1")}

    async def test_a_node_of_many_jobs_is_read_along_its_own_index(self, store: SqlRecords) -> None:
        async with store._database.reading() as connection:
            if connection.dialect.name == "sqlite":
                asked = "SELECT job_id FROM planned_nodes WHERE node = 'n1' ORDER BY created_ms DESC, job_id DESC"
                plan = str((await connection.execute(text(f"EXPLAIN QUERY PLAN {asked}"))).all())
                assert "USING PRIMARY KEY" in plan
                assert "TEMP B-TREE" not in plan
