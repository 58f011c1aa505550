"""The tallies are what counting would find, after every change and for every way a row can be written."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, select

from service.domain.job import Job, JobType, Phase
from service.domain.list_query import Visible
from service.records.engine import Database
from service.records.migrate import migrate, upgrade
from service.records.rows import to_job_row, to_listing_row
from service.records.store import SqlRecords
from service.records.tables import jobs, listing, tallies
from tests.records_suite.example import EVERYTHING, NOON, a_job, a_query
from tests.records_suite.listing import matches

Tallies = Counter[tuple[int, str, str, str, int]]

CLUSTERS = ["prod", "dev"]
OVER = (Phase.SUCCEEDED, Phase.FAILED)
MONTH_BEGINS = datetime(2026, 4, 1, tzinfo=UTC)


def counted(known: Iterable[Job]) -> Tallies:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return Counter(
        ((job.created - epoch) // timedelta(days=1), job.cluster_id, job.type.value, job.phase.value, int(job.hidden))
        for job in known
    )


async def told(url: str) -> Tallies:
    database = Database(url)
    async with database.reading() as connection:
        rows = (await connection.execute(select(tallies))).all()
    await database.close()
    assert all(row.jobs >= 0 for row in rows)
    return Counter({tuple(row)[:-1]: row.jobs for row in rows if row.jobs})


def some_jobs(chance: random.Random, count: int) -> dict[str, Job]:
    made = [
        a_job(
            f"job-{number:02}",
            created=NOON + timedelta(minutes=chance.randrange(-9000, 9000)),
            type=chance.choice(list(JobType)),
            cluster_id=chance.choice(CLUSTERS),
        )
        for number in range(count)
    ]
    return {job.job_id: job for job in made}


def next_state(chance: random.Random, job: Job) -> Job:
    if job.phase is Phase.PENDING:
        return replace(job, phase=Phase.RUNNING)
    if job.phase is Phase.RUNNING:
        return replace(job, phase=chance.choice(OVER), ended=job.created)
    return replace(job, hidden=True, workflow_gone=chance.random() < 0.5)


class TestTallying:
    async def test_they_follow_every_change(self, url: str, store: SqlRecords) -> None:
        chance = random.Random(4)  # noqa: S311 - the same row of changes in every run
        known = some_jobs(chance, 40)
        for job in known.values():
            await store.add(job)
        assert await told(url) == counted(known.values())
        for _ in range(120):
            job_id = chance.choice(list(known))
            known[job_id] = next_state(chance, known[job_id])
            await store.change(job_id, lambda _, job=known[job_id]: job)  # type: ignore[misc]
        assert await told(url) == counted(known.values())
        assert {job.hidden for job in known.values()} == {True, False}
        gone = [job for job in known.values() if job.ended and job.workflow_gone and job.ended < NOON]
        for cluster_id in CLUSTERS:
            assert await store.forget(cluster_id, NOON) == sum(job.cluster_id == cluster_id for job in gone) > 0
        for job in gone:
            del known[job.job_id]
        assert await told(url) == counted(known.values())
        for _ in range(60):
            query = a_query(
                since=NOON + timedelta(minutes=chance.randrange(-9100, 0)),
                until=NOON + timedelta(minutes=chance.randrange(0, 9100)),
                cluster_id=chance.choice([None, *CLUSTERS, "none"]),
                type=chance.choice([None, *JobType]),
                phase=chance.choice([None, *Phase]),
                include_deleted=chance.random() < 0.5,
            )
            page = await store.page(query)
            assert page.total == len(page.items) == sum(matches(job, query) for job in known.values())

    async def test_two_replicas_count_together(self, url: str, store: SqlRecords, replica: SqlRecords) -> None:
        known = some_jobs(random.Random(5), 20)  # noqa: S311 - the same jobs in every run
        for number, job in enumerate(known.values()):
            await (store, replica)[number % 2].add(job)
            await (replica, store)[number % 2].change(job.job_id, lambda job: replace(job, phase=Phase.RUNNING))
        assert await told(url) == counted(replace(job, phase=Phase.RUNNING) for job in known.values())

    async def test_a_store_of_the_release_before_is_counted_once(self, empty_url: str) -> None:
        known = some_jobs(random.Random(6), 20)  # noqa: S311 - the same jobs in every run
        database = Database(empty_url)
        async with database.writing() as connection:
            await connection.run_sync(upgrade, "0001")
        async with database.writing() as connection:
            await connection.execute(insert(jobs), [to_job_row(job) for job in known.values()])
            await connection.execute(insert(listing), [to_listing_row(job) for job in known.values()])
        await database.close()
        await migrate(empty_url)
        assert await told(empty_url) == counted(known.values())

    async def test_who_does_not_see_all_is_not_told_of_the_rest(self, store: SqlRecords) -> None:
        for number in range(3):
            await store.add(a_job(f"job-{number}", created=NOON - timedelta(days=number)))
        assert (await store.page(a_query(since=MONTH_BEGINS, visible=EVERYTHING))).total == 3
        assert (await store.page(a_query(since=MONTH_BEGINS, visible=Visible("stranger", "prod")))).total == 0
        only_preflights = Visible("stranger", "prod", everywhere=frozenset({JobType.PREFLIGHT}))
        assert (await store.page(a_query(since=MONTH_BEGINS, visible=only_preflights))).total == 0
