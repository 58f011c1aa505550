"""Connections to PostgreSQL: to the server that takes writes, and no longer to one that does so no more.

After a failover connections to the former primary may well stay open, and every read on them succeeds. So each is asked
whether it is read-only before it is used, and where one is, none of those made before is used again.
"""

import ssl
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from service.records.addresses import PostgresqlServers

#: For one server; a round trip on a connection that is already there may take less.
CONNECT_SECONDS = 3
_PING_SECONDS = 2
POOL_SIZE = 8

#: How a pooler in front of PostgreSQL shows itself: it refuses settings, or has lost a prepared statement.
_OF_A_POOLER = (
    asyncpg.ProtocolViolationError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.InvalidSQLStatementNameError,
)


class Postgresql:
    """The servers that hold one database, of which one takes writes."""

    def __init__(self, servers: PostgresqlServers, statement_seconds: int) -> None:
        self._servers = servers
        self._statement_seconds = statement_seconds
        self._first = 0  # the one that was connected to last is tried before the others
        self._settings = {
            "statement_timeout": f"{statement_seconds}s",
            "idle_in_transaction_session_timeout": f"{statement_seconds + CONNECT_SECONDS}s",
            # A list's plan depends on its values (a rare phase, a far offset): never one plan for all of them.
            "plan_cache_mode": "force_custom_plan",
            # Both cost more to start than a list takes.
            "jit": "off",
            "max_parallel_workers_per_gather": "0",
        }

    async def open(self) -> AsyncEngine:
        """Connections to the server that takes writes; a pooler in front of it is noticed now.

        Raises:
            Exception: as asyncpg raises where there is no such server.
        """
        return self._engine(pooled=await self._is_pooled())

    async def listener(self) -> "asyncpg.Connection[asyncpg.Record] | None":
        """A connection of its own that can listen, to the server that takes writes; None: a pooler stands in front.

        Raises:
            Exception: as asyncpg raises where there is no such server.
        """
        return None if await self._is_pooled() else await self._connect(pooled=False)

    async def _is_pooled(self) -> bool:
        """Whether a pooler (PgBouncer …) stands in front, which may give each transaction another session."""
        try:
            connection = await self._connect(pooled=False)
        except _OF_A_POOLER:
            return True
        try:
            named = connection.get_server_pid()
            serves = await connection.fetchval("SELECT pg_backend_pid()", timeout=CONNECT_SECONDS)
        except _OF_A_POOLER:
            return True
        finally:
            connection.terminate()
        return bool(serves != named)

    def _engine(self, *, pooled: bool) -> AsyncEngine:
        """`pooled`: nothing is left in a session between two transactions, neither settings nor statements."""
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=partial(self._connect, pooled=pooled),
            connect_args={"prepared_statement_cache_size": 0, "prepared_statement_name_func": str} if pooled else {},
            # What a job holds does not get into logs by way of an error.
            hide_parameters=True,
            pool_size=POOL_SIZE,
            max_overflow=POOL_SIZE,
            pool_timeout=CONNECT_SECONDS,
        )
        event.listen(engine.sync_engine, "connect", _note_new)
        event.listen(engine.sync_engine, "checkout", _check_writable)
        if pooled:
            event.listen(engine.sync_engine, "begin", self._set_for_transaction)
        return engine

    async def _connect(self, *, pooled: bool) -> "asyncpg.Connection[asyncpg.Record]":
        count = len(self._servers.dsns)
        failures: list[Exception] = []
        for number in (*range(self._first, count), *range(self._first)):
            try:
                connection = await self._connect_to(self._servers.dsns[number], pooled=pooled)
            except _OF_A_POOLER:
                raise
            except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError) as error:
                failures.append(error)
            else:
                self._first = number
                return connection
        raise failures[-1]

    async def _connect_to(self, dsn: str, *, pooled: bool) -> "asyncpg.Connection[asyncpg.Record]":
        asked = dict(parse_qsl(urlsplit(dsn).query))
        return await asyncpg.connect(
            _with_system_roots(dsn),
            timeout=CONNECT_SECONDS,
            command_timeout=self._statement_seconds,
            statement_cache_size=0 if pooled else 100,
            target_session_attrs=asked.get("target_session_attrs", "read-write"),
            server_settings={
                "application_name": asked.get("application_name", "opsjobs"),
                **({} if pooled else self._settings),
            },
        )

    def _set_for_transaction(self, connection: Connection) -> None:
        settings = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in self._settings.items())
        connection.exec_driver_sql(f"SELECT {settings}")


def _note_new(_connection: Any, record: Any) -> None:
    record.info["new"] = True


def _check_writable(connection: Any, record: Any, _proxy: object) -> None:
    """Before a connection is used again; a new one has just been chosen for taking writes."""
    if record.info.pop("new", False):
        return
    try:
        read_only = connection.run_async(_is_read_only)
    except Exception as error:
        raise InvalidatePoolError from error
    if read_only:
        raise InvalidatePoolError


async def _is_read_only(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    return bool(await connection.fetchval("SHOW transaction_read_only", timeout=_PING_SECONDS) == "on")


def _with_system_roots(dsn: str) -> str:
    """`sslrootcert=system`, which asyncpg takes for a file, as the file that OpenSSL trusts here."""
    file = ssl.get_default_verify_paths().cafile
    if not file or not Path(file).exists():
        return dsn
    return dsn.replace("sslrootcert=system", f"sslrootcert={file}")
