"""What one connection may take of the service's time: uvicorn itself waits for ever for headers, and for readers.

Decision 0035. uvicorn's own limits stay: its keep-alive, and the 16 KiB that headers may have.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger()

#: Seconds between two looks at a connection: that much later than its limit it is ended.
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTimeouts:
    """Seconds that a client has for each part of an exchange."""

    #: From the connection, or the first byte of a further request, until its headers are whole.
    header: float
    #: For the rest of a body that is not read any more, because the request was refused before.
    body: float
    #: In which a reader that is behind takes 48 KiB: as much as lies between asyncio's marks for stop and go on.
    write: float


class GuardedConnection(H11Protocol):
    """uvicorn's HTTP/1.1 connection, which is looked at once a second as long as it is open.

    What it does is compared with what it did, so that no way through h11's states is forgotten: one that does the same
    for too long is closed.
    """

    timeouts: ConnectionTimeouts

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._doing: tuple[str, object] | None = None
        self._since = self._wrote = self.loop.time()
        self._next_look = self.loop.call_later(LOOK_SECONDS, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._next_look.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        self._wrote = self.loop.time()
        super().resume_writing()

    def _look(self) -> None:
        now = self.loop.time()
        doing, seconds = self._now()
        if doing != self._doing:
            self._doing, self._since = doing, now - LOOK_SECONDS
        if self.transport.get_write_buffer_size() == 0:
            self._wrote = now
        if doing and now - self._since > seconds:
            self._cut_off(doing[0])
        elif now - self._wrote > self.timeouts.write:
            self._cut_off("read its answer")
        else:
            self._next_look = self.loop.call_later(LOOK_SECONDS, self._look)

    def _now(self) -> tuple[tuple[str, object] | None, float]:
        """What is waited for, in which request of the connection, and how long it may take."""
        if self.conn.their_state is h11.IDLE:
            return ("send its headers", self.cycle), self.timeouts.header
        if self.conn.their_state is h11.SEND_BODY and self.cycle.response_complete:
            return ("send the rest of a body", self.cycle), self.timeouts.body
        return None, 0.0

    def _cut_off(self, what: str) -> None:
        # Not closed: that would wait for a reader to take what is written.
        log.info("a connection was cut off", too_slow_to=what, client=str(self.client))
        self.transport.abort()


def guarded(timeouts: ConnectionTimeouts) -> type[GuardedConnection]:
    """The class of connections with these limits, as uvicorn's setting `http` takes it."""
    attributes: dict[str, Any] = {"timeouts": timeouts}
    return type("Connection", (GuardedConnection,), attributes)
