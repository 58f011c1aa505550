"""One way to either database: connections with limits, transactions, errors that say which store does not answer."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import event, make_url
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from service.jobs.ports import UnavailableError

CONNECT_SECONDS = 3
#: No statement of ours takes a second; one that takes this long is stuck.
STATEMENT_SECONDS = 10
POOL_SIZE = 8


class Database:
    """`postgresql+asyncpg://…` or `sqlite+aiosqlite:///path`; connects only when it is used.

    Every block ends within `statement_seconds` and a little, or raises UnavailableError that names the store.

    Raises:
        ValueError: for any other kind of URL.
    """

    def __init__(self, url: str, statement_seconds: int = STATEMENT_SECONDS) -> None:
        self._url = make_url(url)
        self._limit = statement_seconds + CONNECT_SECONDS
        # hide_parameters: what a job holds does not get into logs by way of an error.
        if self._url.drivername == "postgresql+asyncpg":
            self._engine = create_async_engine(self._url, hide_parameters=True, **_postgresql(statement_seconds))
        elif self._url.drivername == "sqlite+aiosqlite" and self._url.database:
            self._engine = create_async_engine(self._url, hide_parameters=True, **_sqlite(statement_seconds))
            _tune_sqlite(self._engine)
        else:
            raise ValueError(
                f"the database URL begins with {self._url.drivername}://, "
                "it must be postgresql+asyncpg://… or sqlite+aiosqlite:///path"
            )

    @property
    def dialect(self) -> str:
        return self._engine.dialect.name

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection whose statements all see one and the same state of the store."""
        async with self._connection("REPEATABLE READ") as connection:
            yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes; committed at the end of the block, rolled back on any exception."""
        async with self._connection("READ COMMITTED", writes=True) as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def _connection(self, isolation: str, *, writes: bool = False) -> AsyncIterator[AsyncConnection]:
        options: dict[str, Any] = {"opsjobs_writes": writes}
        if self.dialect == "postgresql":
            options["isolation_level"] = isolation
        try:
            # The outer limit is for a network that swallows packets: it answers no cancel either.
            async with asyncio.timeout(self._limit), self._engine.connect() as connection:
                yield await connection.execution_options(**options)
        except (IntegrityError, DataError):
            raise
        except (DBAPIError, PoolTimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            # asyncpg's own errors and OSError (TimeoutError is one) come unwrapped while a connection is made.
            raise UnavailableError(
                f"the record store ({_place(self._url)}) does not answer: {_cause(error)}"
            ) from error


def _postgresql(statement_seconds: int) -> dict[str, Any]:
    return {
        "pool_pre_ping": True,
        "pool_size": POOL_SIZE,
        "max_overflow": POOL_SIZE,
        "pool_timeout": CONNECT_SECONDS,
        "connect_args": {
            "timeout": CONNECT_SECONDS,
            "command_timeout": statement_seconds,
            "server_settings": {
                "application_name": "opsjobs",
                "statement_timeout": f"{statement_seconds}s",
                "idle_in_transaction_session_timeout": f"{statement_seconds + CONNECT_SECONDS}s",
                # A list's plan depends on its values (a rare phase, a far offset): never one plan for all of them.
                "plan_cache_mode": "force_custom_plan",
                # Both cost more to start than a list takes.
                "jit": "off",
                "max_parallel_workers_per_gather": "0",
            },
        },
    }


def _sqlite(statement_seconds: int) -> dict[str, Any]:
    return {
        # Each is a thread and a cache of pages; one writes, and readers are no faster than the processors.
        "pool_size": 4,
        "max_overflow": 0,
        "pool_timeout": CONNECT_SECONDS,
        "connect_args": {"timeout": statement_seconds / 2, "isolation_level": None},
    }


def _place(url: URL) -> str:
    if url.drivername.startswith("sqlite"):
        return f"SQLite at {url.database}"
    return f"PostgreSQL at {url.host or 'its socket'}:{url.port or 5432}/{url.database}"


def _cause(error: BaseException) -> str:
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(original).splitlines()[0] if str(original) else type(original).__name__


def _tune_sqlite(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL: what was answered with a jobId is on the disk, and survives a power cut as well as a crash.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # Python's sqlite3 would begin late and never for reads. IMMEDIATE takes the write lock before anything is read.
        writes = connection.get_execution_options().get("opsjobs_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
