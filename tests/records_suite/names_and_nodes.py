"""Names are found by any part of them, and a node's jobs are added up, as plain Python would: after every change."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from service.domain.job import Job, JobType, Phase, Plan, PlannedNode
from service.domain.list_query import Visible
from service.records import names, pages
from service.records.engine import Database
from service.records.migrate import migrate, upgrade
from service.records.store import SqlRecords
from service.records.tables import job_names, node_tallies, user_names
from tests.records_suite.example import NOON, a_job, a_query
from tests.records_suite.listing import examples, expected, ids, only
from tests.records_suite.release_before import write_as_before

NODES = ["n1", "n2", "n3", "N1"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What FTS5, LIKE or a fold could stumble over, and what begins and ends alike.
PIECES = [
    "kernel",
    "Kern",
    "el ",
    '"',
    "'",
    "*",
    "%",
    "_",
    "\\",
    "-",
    "OR ",
    "ß",
    "SS",
    "é",
    "É",
    "文字化",
    "😀",
    "\x00",
]
NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)
LONG = "x" * 499


def numbered(found: Iterable[str]) -> list[Job]:
    return [
        a_job(f"job-{number:02}", job_name=name, user_name=name[::-1], hidden=number % 4 == 3)
        for number, name in enumerate(found)
    ]


def on_nodes(known: Iterable[Job]) -> Counter[tuple[str, int, int]]:
    return Counter(
        (node, (job.created - EPOCH) // timedelta(days=1), int(job.hidden))
        for job in known
        for node in set(job.plan.names)
    )


async def rows(url: str, columns: Any) -> list[tuple[Any, ...]]:
    database = Database(url)
    async with database.reading() as connection:
        found = [tuple(row) for row in (await connection.execute(select(columns))).all()]
    await database.close()
    return found


async def tallied(url: str) -> Counter[tuple[str, int, int]]:
    found = {row[:-1]: row[-1] for row in await rows(url, node_tallies)}
    assert all(count >= 0 for count in found.values())
    return Counter({key: count for key, count in found.items() if count})


async def named(url: str) -> tuple[dict[str, int], dict[str, int]]:
    of_jobs, of_users = await rows(url, job_names), await rows(url, user_names)
    return {row[1]: row[3] for row in of_jobs}, {row[1]: row[3] for row in of_users}


def some_jobs(chance: random.Random, count: int) -> dict[str, Job]:
    made = [
        a_job(
            f"job-{number:02}",
            created=NOON + timedelta(minutes=chance.randrange(-9000, 9000)),
            job_name=chance.choice(["one", "two"]),
            # A plan may hold a node twice only by mistake; then it is still one job.
            plan=Plan(tuple(map(PlannedNode, chance.choices(NODES, k=chance.randrange(4))))),
            phase=Phase.SUCCEEDED,
            ended=NOON if number % 2 else None,
        )
        for number in range(count)
    ]
    return {job.job_id: job for job in made}


class TestFoundByName:
    @pytest.mark.slow
    @examples
    @given(st.lists(NAMES, max_size=12), NAMES, st.sampled_from([0, 3, 2_000]), st.sampled_from([0, 4, 5_000]))
    async def test_any_part_is_found_as_it_stands(
        self, store: SqlRecords, given_names: list[str], part: str, many: int, some: int
    ) -> None:
        jobs = numbered(given_names)
        await only(store, jobs)
        parts = [part, *(name[1:-1] for name in given_names[:3] if len(name) > 2)]
        asked = [a_query(job_name=text) for text in parts] + [a_query(user_name=text[::-1]) for text in parts]
        asked += [replace(query, include_deleted=True, limit=2) for query in asked]
        with mock.patch.object(names, "MANY", many), mock.patch.object(pages, "SOME", some):
            for few in (0, pages.FEW):
                with mock.patch.object(pages, "FEW", few):
                    for query in asked:
                        page = await store.page(query)
                        wanted = expected(jobs, query)
                        assert (page.total, ids(page.items)) == (len(wanted), wanted[: query.limit]), query

    async def test_names_that_a_list_cuts_are_told_apart(self, store: SqlRecords) -> None:
        await store.add(a_job("one", user_name=f"{LONG}-One"))
        await store.add(a_job("two", user_name=f"{LONG}-Two"))
        await store.add(a_job("three", user_name="Anna"))
        for part, wanted in (("-two", ["two"]), ("ann", ["three"]), ("x", ["two", "one"]), ("y", [])):
            assert ids((await store.page(a_query(user_name=part))).items) == wanted

    async def test_a_very_long_text_is_no_pattern(self, store: SqlRecords) -> None:
        name = "kernel " * 30
        await store.add(a_job(job_name=name))
        assert (await store.page(a_query(job_name=name.upper()))).total == 1
        assert (await store.page(a_query(job_name=f"{name}?"))).total == 0
        assert (await store.page(a_query(job_name='"' * 5_000))).total == 0

    async def test_who_sees_no_such_job_finds_none_by_its_name(self, store: SqlRecords) -> None:
        await store.add(a_job(user_name="alice"))
        for visible in (Visible("stranger", "prod"), Visible("stranger", "prod", frozenset({JobType.REBOOT}))):
            assert (await store.page(a_query(user_name="ali", visible=visible))).total == 0


class TestNodeTallies:
    async def test_they_follow_every_change(self, url: str, store: SqlRecords) -> None:
        chance = random.Random(7)  # noqa: S311 - the same row of changes in every run
        known = some_jobs(chance, 40)
        for job in known.values():
            await store.add(job)
        assert await tallied(url) == on_nodes(known.values())
        for job_id in chance.sample(list(known), 15):
            known[job_id] = replace(known[job_id], hidden=True)
            await store.change(job_id, lambda job: replace(job, hidden=True))
            await store.change(job_id, lambda job: replace(job, stop_requested=NOON))
        assert await tallied(url) == on_nodes(known.values())
        for _ in range(40):
            query = a_query(
                since=NOON + timedelta(minutes=chance.randrange(-9100, 0)),
                until=NOON + timedelta(minutes=chance.randrange(0, 9100)),
                node=chance.choice([*NODES, "none"]),
                include_deleted=chance.random() < 0.5,
                type=chance.choice([None, None, JobType.ADDON]),
            )
            with mock.patch.object(pages, "FEW", chance.choice([0, pages.FEW])):
                page = await store.page(query)
            assert (page.total, ids(page.items)) == (len(wanted := expected([*known.values()], query)), wanted)

    async def test_what_is_dropped_is_counted_no_more(self, url: str, store: SqlRecords) -> None:
        known = some_jobs(random.Random(8), 40)  # noqa: S311 - the same jobs in every run
        for job in known.values():
            await store.add(replace(job, workflow_gone=True))
        await store.add(a_job("of-another", job_name="three", user_name="bob", ended=NOON, workflow_gone=True))
        assert await store.forget("prod", NOON + timedelta(days=1)) == 21
        left = [job for job in known.values() if not job.ended]
        assert await tallied(url) == on_nodes(left)
        assert await named(url) == (Counter(job.job_name for job in left), {"alice": len(left)})
        assert (await store.page(a_query(user_name="bob"))).total == 0

    async def test_a_name_comes_back_after_it_was_dropped(self, store: SqlRecords) -> None:
        for _ in range(3):
            await store.add(a_job(job_name="kernel", ended=NOON, workflow_gone=True))
            assert (await store.page(a_query(job_name="erne"))).total == 1
            assert await store.forget("prod", NOON + timedelta(days=1)) == 1
            assert (await store.page(a_query(job_name="erne"))).total == 0

    async def test_jobs_that_the_release_before_wrote_are_counted(self, empty_url: str) -> None:
        """Before the migration, and while both releases run: it writes the two tables that it knows."""
        chance = random.Random(9)  # noqa: S311 - the same jobs in every run
        known = [replace(job, hidden=chance.random() < 0.3) for job in some_jobs(chance, 30).values()]
        database = Database(empty_url)
        async with database.writing() as connection:
            await connection.run_sync(upgrade, "0008")
        for job in known[:20]:
            await write_as_before(database, job)
        await migrate(empty_url)
        for job in known[20:]:
            await write_as_before(database, job)
        await database.close()
        assert await tallied(empty_url) == on_nodes(known)
        assert await named(empty_url) == (Counter(job.job_name for job in known), {"alice": 30})
        store = SqlRecords(empty_url)
        asked = a_query(job_name="TWO")
        assert ids((await store.page(asked)).items) == expected(known, asked)
        await store.close()
