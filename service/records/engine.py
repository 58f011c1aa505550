"""One way to either database: connections with limits, transactions, errors that say which store does not answer."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from service.jobs.ports import UnavailableError
from service.metrics import STORE_ERRORS, STORE_SECONDS
from service.records.addresses import SqliteFile, address_of
from service.records.listening import Listening
from service.records.postgres import CONNECT_SECONDS, Postgresql
from service.records.sqlite_connection import connecting

#: asyncpg's own errors and OSError (TimeoutError is one) come unwrapped while a connection is made.
_AWAY = (
    DBAPIError,
    PoolTimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
#: No statement of ours takes a second; one that takes this long is stuck.
STATEMENT_SECONDS = 10


class Database:
    """`postgresql://…` or `sqlite+aiosqlite:///path`; connects only when it is used.

    Every block ends within `statement_seconds` and a little, or raises UnavailableError that names the store.

    Raises:
        ValueError: for any other kind of URL.
    """

    def __init__(self, url: str, statement_seconds: int = STATEMENT_SECONDS) -> None:
        self._limit = statement_seconds + CONNECT_SECONDS
        address = address_of(url)
        self.place = address.place
        self._open: Callable[[], Awaitable[AsyncEngine]]
        self._opening = asyncio.Lock()
        self._engine: AsyncEngine | None = None
        if isinstance(address, SqliteFile):
            self.dialect = "sqlite"
            self._open = partial(_sqlite, address, statement_seconds)
            self.listening = Listening()
        else:
            self.dialect = "postgresql"
            servers = Postgresql(address, statement_seconds)
            self._open = servers.open
            self.listening = Listening(servers.listener)

    async def close(self) -> None:
        self.listening.close()
        if self._engine:
            await self._engine.dispose()

    async def engine(self) -> AsyncEngine:
        async with self._opening:
            if self._engine is None:
                self._engine = await self._open()
            return self._engine

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
        operation = "write" if writes else "read"
        try:
            with STORE_SECONDS.labels(operation).time():
                # The outer limit is for a network that swallows packets: it answers no cancel either.
                async with asyncio.timeout(self._limit), (await self.engine()).connect() as connection:
                    yield await connection.execution_options(**options)
        except (IntegrityError, DataError):
            raise
        except _AWAY as error:
            STORE_ERRORS.labels(operation).inc()
            raise UnavailableError(f"the record store ({self.place}) does not answer: {_cause(error)}") from error


async def _sqlite(file: SqliteFile, statement_seconds: int) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=file.path),
        # What a job holds does not get into logs by way of an error.
        hide_parameters=True,
        # Each is a thread and a cache of pages; one writes, and readers are no faster than the processors.
        pool_size=4,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        async_creator=lambda: connecting(file.path, statement_seconds / 2),
    )
    _tune_sqlite(engine)
    return engine


def _cause(error: BaseException) -> str:
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "no server takes writes (a standby, or default_transaction_read_only is on)"
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
