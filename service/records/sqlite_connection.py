"""SQLite's connections, each a thread: a statement goes there and back once, with all of its rows.

aiosqlite goes four times: for the cursor, the statement, the rows and the cursor's end. Each time the event loop and
the thread wait for each other, and under load for every other thread too.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Self

import aiosqlite


class WholeCursor:
    """What SQLAlchemy uses of aiosqlite's cursor, with the rows of the last statement."""

    arraysize = 1
    description: Any = None
    rowcount = -1
    lastrowid: int | None = None

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        await self._run(lambda connection: connection.execute(sql, parameters))
        return self

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> Self:
        await self._run(lambda connection: connection.executemany(sql, rows))
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []

    async def _run(self, statement: Any) -> None:
        def run(connection: sqlite3.Connection) -> None:
            cursor = statement(connection)
            try:
                self._rows = cursor.fetchall() if cursor.description else []
                self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
            finally:
                cursor.close()

        await self._connection._execute(run, self._connection._conn)  # type: ignore[no-untyped-call]  # noqa: SLF001 - how it runs each of its own


class WholeStatements(aiosqlite.Connection):
    """aiosqlite's connection, whose cursors go to the thread once a statement."""

    def cursor(self) -> Any:
        return WholeCursor(self)


def connecting(path: str, busy_seconds: float) -> aiosqlite.Connection:
    """A connection that opens the file when it is awaited, and waits so long for another's lock."""
    made = WholeStatements(lambda: sqlite3.connect(path, timeout=busy_seconds, isolation_level=None), 64)
    # A process that ends does not wait for it, as with SQLAlchemy's own.
    made._thread.daemon = True  # noqa: SLF001 - there is no other way
    return made
