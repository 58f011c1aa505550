"""What happened last on each of many nodes."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import event

from service.domain.job import Job, JobType, NodePhase, Phase, Plan, PlannedNode
from service.domain.node_list import LastJobs
from service.records.engine import Database
from service.records.migrate import migrate, upgrade
from service.records.store import SqlRecords
from tests.records_suite.example import NOON
from tests.records_suite.planned import on
from tests.records_suite.release_before import write_as_before


def at(minute: int, job_id: str, *names: str, **fields: object) -> Job:
    return on(job_id, *names, created=NOON + timedelta(minutes=minute), **fields)


class TestLastJobs:
    async def test_the_last_job_and_the_last_preflight_of_each_node(self, store: SqlRecords) -> None:
        await store.add(at(1, "check-1", "n1", "n2", type=JobType.PREFLIGHT))
        await store.add(at(2, "check-2", "n1", type=JobType.PREFLIGHT))
        await store.add(at(3, "addon", "n1", "n3"))
        await store.add(at(4, "deleted", "n1", "n2", "n3"))
        await store.change("deleted", lambda job: replace(job, hidden=True))
        await store.add(at(5, "elsewhere", "n1", cluster_id="other"))
        assert await store.last_jobs("prod", ["n1", "n2", "n3", "never"]) == {
            "n1": LastJobs("addon", "check-2"),
            "n2": LastJobs("check-1", "check-1"),
            "n3": LastJobs("addon", ""),
            "never": LastJobs(),
        }

    async def test_what_is_shown_of_jobs_beside_these_nodes(self, store: SqlRecords) -> None:
        done = PlannedNode("n1", NodePhase.FAILED, "no", NOON, NOON + timedelta(minutes=9))
        plan = Plan((done, PlannedNode("n2", NodePhase.RUNNING, start=NOON), PlannedNode("n3")))
        await store.add(replace(at(1, "job-1"), plan=plan, workspace_id="team"))
        found = await store.works(["job-1", "unknown"], ["n1", "n2", "n3", "n4"])
        assert set(found) == {"job-1"}
        work = found["job-1"]
        assert (work.type, work.workspace_id, work.user_id) == (JobType.ADDON, "team", "user-1")
        assert work.nodes == {
            "n1": (NodePhase.FAILED, NOON + timedelta(minutes=9)),
            "n2": (NodePhase.RUNNING, NOON),
            "n3": (NodePhase.PENDING, NOON + timedelta(minutes=1)),
        }

    async def test_a_page_of_nodes_is_a_few_statements_whatever_their_number(self, store: SqlRecords) -> None:
        names = [f"n{number}" for number in range(1000)]
        for number in range(30):
            await store.add(at(number, f"job-{number}", *names[number * 30 : number * 30 + 60]))
        asked = []
        engine = await store._database.engine()
        event.listen(engine.sync_engine, "before_cursor_execute", lambda *facts: asked.append(facts[2]))
        last = await store.last_jobs("prod", names)
        await store.works({one.job for one in last.values() if one.job}, names)
        assert len(last) == len(names)
        assert len([one for one in asked if one.startswith("SELECT")]) < 8

    async def test_preflights_that_the_release_before_wrote_are_known(self, empty_url: str) -> None:
        """Before the migration, and while both releases run."""
        database = Database(empty_url)

        async with database.writing() as connection:
            await connection.run_sync(upgrade, "0005")
        await write_as_before(database, at(1, "before", "n1", type=JobType.PREFLIGHT))
        await migrate(empty_url)
        await write_as_before(database, at(2, "beside", "n2", type=JobType.PREFLIGHT, job_name="\0"))
        store = SqlRecords(empty_url)
        found = await store.last_jobs("prod", ["n1", "n2"])
        assert found == {"n1": LastJobs("before", "before"), "n2": LastJobs("beside", "beside")}
        await store.change("before", lambda job: replace(job, ended=NOON, workflow_gone=True, phase=Phase.FAILED))
        await store.forget("prod", NOON + timedelta(days=1))
        assert await store.last_jobs("prod", ["n1"]) == {"n1": LastJobs()}
        await store.close()
        await database.close()
