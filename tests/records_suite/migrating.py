"""Migration: what the code expects is what there is, however many replicas do it at once."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, text

from service.records.engine import Database
from service.records.migrate import migrate, upgrade
from service.records.rows import to_job_row
from service.records.store import SqlRecords
from service.records.tables import jobs, metadata
from tests.records_suite.example import a_job


class TestMigrating:
    async def test_the_tables_are_those_the_code_knows(self, url: str) -> None:
        def known(_object: object, name: str | None, *_more: object) -> bool:
            # An index that each database makes in its own way, on SQLite of tables of its own.
            return not (name or "").startswith("job_names_trigrams")

        def differences(connection: Connection) -> list[Any]:
            context = MigrationContext.configure(connection, opts={"include_object": known})
            return list(compare_metadata(context, metadata))

        database = Database(url)
        async with database.reading() as connection:
            assert await connection.run_sync(differences) == []
        await database.close()

    @pytest.mark.slow
    async def test_three_replicas_at_once(self, empty_url: str) -> None:
        command = [sys.executable, "-m", "service.records.migrate", "--url", empty_url]
        replicas = [await asyncio.create_subprocess_exec(*command, stderr=PIPE) for _ in range(3)]
        said = [(await replica.communicate())[1].decode() for replica in replicas]
        assert [replica.returncode for replica in replicas] == [0, 0, 0], said
        store = SqlRecords(empty_url)
        await store.add(a_job())
        assert await store.get(a_job().job_id) == a_job()
        await store.close()

    @pytest.mark.parametrize("kept", [True, False])
    async def test_only_a_store_that_begins_now_drops_old_records_unasked(self, empty_url: str, *, kept: bool) -> None:
        database = Database(empty_url)
        async with database.writing() as connection:
            await connection.run_sync(upgrade, "0003")
        if kept:
            async with database.writing() as connection:
                await connection.execute(insert(jobs).values(to_job_row(a_job())))
        await database.close()
        await migrate(empty_url)
        store = SqlRecords(empty_url)
        assert await store.drops_by_default() is not kept
        await store.close()

    async def test_a_newer_schema_is_left_as_it_is(self, url: str, store: SqlRecords) -> None:
        """As after a rollback: Alembic raised, and the release before did not start."""
        database = Database(url)
        async with database.writing() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        await migrate(url)
        async with database.reading() as connection:
            assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999"
        await database.close()
        await store.add(a_job())
        assert await store.get(a_job().job_id) == a_job()

    async def test_again_changes_nothing(self, url: str, store: SqlRecords) -> None:
        await store.add(a_job())
        await migrate(url)
        assert await store.get(a_job().job_id) == a_job()
