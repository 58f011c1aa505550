"""When records may have changed: PostgreSQL says so (LISTEN), any other store is looked at once a second."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import structlog

log = structlog.get_logger()

#: Of migration 0006.
CHANNEL = "opsjobs_changed"
#: Where the store cannot say that something changed.
LOOK_SECONDS = 1.0
#: Where it can: a server that was demoted says nothing, and its connections stay open.
LOOK_SECONDS_AT_MOST = 5.0

Connect = Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record] | None"]]


class Listening:
    """One connection that listens, made when it is first needed.

    Args:
        connect: Makes it; returns None where a pooler stands before the server, which takes no LISTEN.
    """

    def __init__(self, connect: Connect | None = None) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._told = asyncio.Event()
        self._warned = False

    async def next_look(self) -> None:
        """Return as soon as records changed, where the store says so, or else after a second."""
        if not await self._listens():
            await asyncio.sleep(LOOK_SECONDS)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), LOOK_SECONDS_AT_MOST)
        self._told.clear()

    def close(self) -> None:
        if self._connection:
            self._connection.terminate()
            self._connection = None

    async def _listens(self) -> bool:
        if self._connection and not self._connection.is_closed():
            return True
        self._connection = None
        if self._connect is None:
            return False
        try:
            connection = await self._connect()
            if connection is None:
                self._connect = None
                return False
            await connection.add_listener(CHANNEL, self._tell)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            if not self._warned:
                log.warning("the database does not say what changed: it is looked at every second", reason=str(error))
            self._warned = True
            return False
        connection.add_termination_listener(self._tell)
        self._connection, self._warned = connection, False
        # What changed before is seen by a look.
        self._told.set()
        return True

    def _tell(self, *_said: Any) -> None:
        self._told.set()
