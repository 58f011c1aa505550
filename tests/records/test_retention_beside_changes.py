"""Retention and a change of one job, or a new one, lock the same counts, each in the same order."""

import asyncio
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from service.domain.job import Phase, Plan, PlannedNode
from service.records.engine import Database
from service.records.store import SqlRecords
from tests import postgresql
from tests.records_suite.example import NOON, a_job

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = '{}'"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("UPDATE tallies SET jobs = jobs WHERE hidden = 0", "UPDATE tallies SET jobs = jobs WHERE hidden = 1"),
        (
            "UPDATE node_tallies SET jobs = jobs WHERE hidden = 0",
            "UPDATE node_tallies SET jobs = jobs WHERE hidden = 1",
        ),
        (
            "UPDATE node_tallies SET jobs = jobs WHERE hidden = 1 AND node = 'n1'",
            "UPDATE node_tallies SET jobs = jobs WHERE hidden = 1 AND node = 'n2'",
        ),
        ("UPDATE job_names SET jobs = jobs", "UPDATE user_names SET jobs = jobs"),
        ("UPDATE user_names SET jobs = jobs", "UPDATE node_tallies SET jobs = jobs"),
        ("UPDATE node_tallies SET jobs = jobs", "UPDATE tallies SET jobs = jobs"),
    ],
    ids=["shown", "nodes-shown", "nodes", "names", "names-nodes", "nodes-tallies"],
)
async def test_neither_waits_for_the_other_for_good(
    server: postgresql.Server, url: str, store: SqlRecords, first: str, then: str
) -> None:
    """PostgreSQL ended one of them as deadlocked.

    A DELETE is counted down row by row: it held the tally of hidden jobs and waited for that of shown ones; a hide
    held that of shown ones and waited for that of hidden ones.
    """
    plans = [Plan((PlannedNode("n2"), PlannedNode("n1"))), Plan((PlannedNode("n2"),))]
    for number in range(7):
        over = {"phase": Phase.SUCCEEDED, "ended": NOON, "workflow_gone": True, "hidden": number % 2 == 0}
        await store.add(a_job(f"old-{number}", plan=plans[number % 2], **over))
    database = Database(url)
    async with database.writing() as change:
        await change.execute(text(first))
        forgetting = asyncio.create_task(store.forget("prod", NOON + timedelta(days=1)))
        end = time.monotonic() + 30
        while server.sql(WAITING.format(url.rpartition("/")[2])) == "0":
            assert time.monotonic() < end, "retention does not wait for the change"
            await asyncio.sleep(0.05)
        await change.execute(text(then))
    assert await forgetting == 7
    await database.close()


async def test_a_record_that_is_being_changed_is_left_for_the_next_round(url: str, store: SqlRecords) -> None:
    for number in range(3):
        await store.add(a_job(f"old-{number}", phase=Phase.SUCCEEDED, ended=NOON, workflow_gone=True))
    database = Database(url)
    async with database.writing() as change:
        await change.execute(text("SELECT 1 FROM jobs WHERE job_id = 'old-1' FOR UPDATE"))
        assert await store.forget("prod", NOON + timedelta(days=1)) == 2
    assert await store.forget("prod", NOON + timedelta(days=1)) == 1
    await database.close()
