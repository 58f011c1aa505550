"""The whole suite on a real PostgreSQL, and what only a server can do to us."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from service.jobs.ports import UnavailableError
from service.records.engine import Database
from service.records.migrate import migrate
from service.records.postgres import CONNECT_SECONDS
from service.records.store import SqlRecords
from tests import postgresql
from tests.records_suite.adding import TestAdding
from tests.records_suite.auditing import TestAuditing
from tests.records_suite.changing import TestChanging, TestForgetting, TestUnfinished, TestUnsettled
from tests.records_suite.counting import TestCounting
from tests.records_suite.crash import TestCrash
from tests.records_suite.example import a_job, a_query
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
def other_server() -> Iterator[postgresql.Server]:
    """A server that a test may take away."""
    with postgresql.running() as server:
        yield server


class TestOnPostgresql:
    async def test_a_server_that_goes_and_comes_back(self, other_server: postgresql.Server) -> None:
        url = other_server.create("records").replace("postgres@", "postgres:secret@")
        await migrate(url)
        store = SqlRecords(url)
        await store.add(a_job())
        other_server.stop()
        for call in (store.ping(), store.get("x"), store.page(a_query()), store.add(a_job("y"))):
            began = time.monotonic()
            with pytest.raises(UnavailableError, match=r"PostgreSQL at 127\.0\.0\.1:\d+/records") as away:
                await call
            assert "secret" not in str(away.value)
            assert time.monotonic() - began < CONNECT_SECONDS + 5
        migrating = asyncio.create_task(migrate(url, wait_seconds=60))
        other_server.start()
        await migrating
        assert await store.get(a_job().job_id) == a_job()
        assert (await store.page(a_query())).total == 1
        await store.close()

    async def test_a_server_that_accepts_and_never_answers(self) -> None:
        connected: list[asyncio.StreamWriter] = []
        silent = await asyncio.start_server(lambda _reader, writer: connected.append(writer), "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        store = SqlRecords(f"postgresql+asyncpg://postgres@127.0.0.1:{port}/records")
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="no answer in time"):
            await store.ping()
        assert time.monotonic() - began < CONNECT_SECONDS + 5
        assert connected
        await store.close()
        for writer in connected:
            writer.close()
        silent.close()

    async def test_a_statement_that_is_stuck_is_given_up(self, url: str) -> None:
        database = Database(url, statement_seconds=1)
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            async with database.reading() as connection:
                await connection.execute(text("SELECT pg_sleep(30)"))
        assert time.monotonic() - began < 1 + CONNECT_SECONDS + 5
        async with database.reading() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
        await database.close()

    async def test_more_callers_than_connections_take_turns(self, store: SqlRecords) -> None:
        await store.add(a_job())
        found = await asyncio.gather(*(store.get(a_job().job_id) for _ in range(200)))
        assert found == [a_job()] * 200

    async def test_a_store_that_is_not_migrated_is_not_ready(self, empty_url: str) -> None:
        store = SqlRecords(empty_url)
        with pytest.raises(UnavailableError, match=r"jobs.*does not exist"):
            await store.ping()
        await store.close()

    async def test_a_database_that_is_not_there(self, server: postgresql.Server) -> None:
        store = SqlRecords(server.url("nowhere"))
        with pytest.raises(UnavailableError, match='"nowhere" does not exist'):
            await store.ping()
        await store.close()

    async def test_who_may_not_create_trigrams_has_names_read_one_by_one(
        self, server: postgresql.Server, empty_url: str
    ) -> None:
        name = empty_url.rpartition("/")[2]
        server.sql(f"CREATE ROLE plain_{name} LOGIN")
        server.sql(f"GRANT CREATE, USAGE ON SCHEMA public TO plain_{name}", name)
        url = empty_url.replace("postgres@", f"plain_{name}@")
        await migrate(url)
        assert server.sql("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'", name) == "0"
        store = SqlRecords(url)
        await store.add(a_job(job_name="100% Kernel_1"))
        for part, found in (("KERNEL", 1), ("% k", 1), ("kernel%1", 0), ("kernel_1", 1)):
            assert (await store.page(a_query(job_name=part))).total == found
        await store.close()
