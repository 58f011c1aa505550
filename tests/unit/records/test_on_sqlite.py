"""The whole suite on SQLite, and what only SQLite can get wrong."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url, text

from service.jobs.ports import UnavailableError
from service.records import tables, unfinished
from service.records.engine import Database
from service.records.migrate import migrate
from service.records.store import SqlRecords
from tests.records_suite.adding import TestAdding
from tests.records_suite.auditing import TestAuditing
from tests.records_suite.changing import TestChanging, TestForgetting, TestUnfinished, TestUnsettled
from tests.records_suite.counting import TestCounting
from tests.records_suite.crash import TestCrash
from tests.records_suite.example import a_job
from tests.records_suite.keys import TestKeys
from tests.records_suite.listing import TestListing
from tests.records_suite.migrating import TestMigrating
from tests.records_suite.names_and_nodes import TestFoundByName, TestNodeTallies
from tests.records_suite.notifying import TestNotifying
from tests.records_suite.on_nodes import TestLastJobs
from tests.records_suite.planned import TestPlannedNodes
from tests.records_suite.quotas import TestQuotas
from tests.records_suite.tallying import TestTallying
from tests.records_suite.texts import TestTexts
from tests.records_suite.versions import TestVersions
from tests.records_suite.workspace_namespaces import TestWorkspaceNamespaces

#: The suite, to be collected here.
__all__ = [
    "TestAdding",
    "TestAuditing",
    "TestChanging",
    "TestCounting",
    "TestCrash",
    "TestForgetting",
    "TestFoundByName",
    "TestKeys",
    "TestLastJobs",
    "TestListing",
    "TestMigrating",
    "TestNodeTallies",
    "TestNotifying",
    "TestPlannedNodes",
    "TestQuotas",
    "TestTallying",
    "TestTexts",
    "TestUnfinished",
    "TestUnsettled",
    "TestVersions",
    "TestWorkspaceNamespaces",
]


@pytest.fixture
def stranger(url: str) -> Iterator[sqlite3.Connection]:
    """Another process that holds the database's write lock."""
    connection = sqlite3.connect(str(make_url(url).database), isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


class TestOnSqlite:
    async def test_readers_do_not_wait_for_a_writer(self, store: SqlRecords, stranger: sqlite3.Connection) -> None:
        assert stranger.in_transaction
        assert await store.get("absent") is None

    async def test_a_writer_that_waits_too_long_is_told_which_store(
        self, url: str, stranger: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert stranger.in_transaction
        # SQLite is to answer, and not the outer limit, which a host that stands still would reach first.
        monkeypatch.setattr("service.records.engine.CONNECT_SECONDS", 60)
        database = Database(url, statement_seconds=1)
        with pytest.raises(UnavailableError, match=r"SQLite at .*records\.db.*locked"):
            async with database.writing():
                pytest.fail("the lock is not ours")
        await database.close()

    async def test_what_is_written_survives_a_power_cut(self, url: str) -> None:
        database = Database(url)
        async with database.reading() as connection:
            settings = [
                await connection.scalar(text(f"PRAGMA {name}"))
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        assert settings == ["wal", 2, 1]
        await database.close()

    async def test_a_store_that_is_not_migrated_is_not_ready(self, empty_url: str) -> None:
        store = SqlRecords(empty_url)
        with pytest.raises(UnavailableError, match="no such table: jobs"):
            await store.ping()
        await migrate(empty_url)
        await store.ping()
        await store.add(a_job())
        await store.close()

    async def test_a_folder_that_is_not_there(self) -> None:
        others = set(threading.enumerate())
        store = SqlRecords("sqlite+aiosqlite:////nowhere/at/all.db")
        with pytest.raises(UnavailableError, match=r"/nowhere/at/all\.db"):
            await store.ping()
        await store.close()
        # aiosqlite's thread of a connection that never was ends by itself, and needs the event loop for it.
        for thread in set(threading.enumerate()) - others:
            if "_connection_worker_thread" in thread.name:
                await asyncio.to_thread(thread.join, 60)

    @pytest.mark.parametrize("wrong", ["mysql://root:secret@db/x", "sqlite+aiosqlite://", "sqlite:///x.db"])
    def test_a_url_of_another_kind_is_refused_without_showing_it(self, wrong: str) -> None:
        with pytest.raises(ValueError, match=r"it must be postgresql://") as refused:
            SqlRecords(wrong)
        assert "secret" not in str(refused.value)


async def test_of_a_callers_jobs_only_the_unfinished_are_read_to_count_them(store: SqlRecords) -> None:
    """Of a hundred thousand that they ever had a few are; SQLite would read all of the caller's."""
    counting = unfinished.counting("sqlite", "prod", tables.listing.c.user_id, "alice")
    async with store._database.reading() as connection:
        literal = counting.compile(connection.sync_engine, compile_kwargs={"literal_binds": True})
        plan = (await connection.execute(text(f"EXPLAIN QUERY PLAN {literal}"))).all()
    assert "listing_by_phase" in str(plan), plan
