"""What one connection may take of the service's time: uvicorn itself waits for ever for headers, and for readers.

Decision 0035. uvicorn's own limits stay: its keep-alive, and the 16 KiB that headers may have.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.lingering_close import LingeringTransport

log = structlog.get_logger()

#: Bytes: as much as lies between asyncio's marks for stop and go on.
_PROGRESS = 48 * 1024
#: Pieces in which a body may come however small they are; of more the average has so many bytes.
_PIECES = 1_024
_PIECE_BYTES = 64
#: The extension in a request's ASGI scope that closes its connection: how a response without a length says that it is
#: not whole.
ABORT = "opsjobs.abort"
#: Bytes of a refused body that are read and dropped, so that its client sees why; who sends more is cut off.
_DROPPED = 16 * 1024 * 1024
#: h11's states of a server that has nothing more to say about a request.
_ANSWERED = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)
#: Seconds between two looks at a connection: that much later than its limit it is ended.
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionTimeouts:
    """Seconds that a client has for each part of an exchange."""

    #: From the connection, or the first byte of a further request, until its headers are whole.
    header: float
    #: For the rest of a body that is not read any more, because the request was refused before.
    body: float
    #: In which a reader that is behind takes 48 KiB.
    write: float


@dataclass(eq=False)
class Unread:
    """What clients have not read yet of their answers, over all connections of this process.

    An answer is in memory until its client has taken it, when its caller's turn is long over: a thousand connections
    that read nothing would hold a thousand of the largest. Over `most` bytes whoever is furthest behind is cut off.
    """

    most: int
    connections: set["GuardedConnection"] = field(default_factory=set)
    _looked: float = 0.0

    def look(self, now: float) -> None:
        """Called by every connection; looks once a second."""
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        left = self.bytes
        for one in sorted(self.connections, key=lambda one: one.unread * one.seconds_behind, reverse=True):
            if left <= self.most:
                return
            left -= one.unread
            one.cut_off("read its answer, while too much of all answers was unread")

    @property
    def bytes(self) -> int:
        return sum(one.unread for one in self.connections)


class Pieced(h11.Connection):
    """h11's connection, which counts the pieces in which the body of a request comes.

    A client chooses the size of its chunks, and one of a byte takes as long to read as one of many kilobytes: 360 KB of
    them, without a token, held up everybody for 0.4 s. What comes of a body after its answer is dropped.
    """

    count = size = dropped = 0
    #: Whether they are too many and too small.
    too_small = False

    def next_event(self) -> Any:
        """What h11 makes of the bytes that are there; nothing more of a body in too small pieces."""
        while not self.too_small:
            event = super().next_event()
            match event:
                case h11.Request():
                    self.count = self.size = self.dropped = 0
                case h11.Data():
                    self._note(event)
                    if self.our_state in _ANSWERED:
                        self.dropped += len(event.data)
                        continue
            return event
        return h11.NEED_DATA

    def _note(self, piece: h11.Data) -> None:
        self.count += 1
        self.size += len(piece.data)
        self.too_small = self.count > _PIECES and self.size < self.count * _PIECE_BYTES


class GuardedConnection(H11Protocol):
    """uvicorn's HTTP/1.1 connection, which is looked at once a second as long as it is open.

    What it does is compared with what it did, so that no way through h11's states is forgotten: one that does the same
    for too long is closed.
    """

    timeouts: ConnectionTimeouts
    all_unread: Unread
    conn: Pieced

    #: Over TLS, the connection below: what is encrypted waits there, and `transport` knows nothing of it.
    beneath: asyncio.Transport | None = None

    @property
    def unread(self) -> int:
        """Bytes of answers that this client has not taken."""
        below = self.beneath.get_write_buffer_size() if self.beneath else 0
        return self.transport.get_write_buffer_size() + below

    @property
    def seconds_behind(self) -> float:
        return self.loop.time() - self._wrote + LOOK_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._closing = LingeringTransport(transport, self._is_sending_in_vain)
        super().connection_made(cast("asyncio.Transport", self._closing))
        self.conn = Pieced(h11.SERVER)
        self._doing: tuple[str, object] | None = None
        self._since = self._wrote = self.loop.time()
        self._behind = 0
        self._next_look = self.loop.call_later(LOOK_SECONDS, self._look)
        self.all_unread.connections.add(self)

    def handle_events(self) -> None:
        super().handle_events()
        if self.scope:  # of the request whose task was made just now, and has not begun
            extensions: dict[str, Any] = {ABORT: self.transport.abort}
            self.scope["extensions"] = extensions
        if self.conn.too_small:
            self.cut_off("send a body in pieces of a size")
        elif self.conn.dropped > _DROPPED:
            self.cut_off("stop sending a body that was refused")
        else:
            self._closing.ended()

    def shutdown(self) -> None:
        # The process is to end: it waits for answers, and not for those who send what is not read.
        self._closing.may_linger = False
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state in _ANSWERED:
            self.cut_off("keep to HTTP in what it sent after its answer")
        else:
            super().send_400_response(msg)

    def _is_sending_in_vain(self) -> bool:
        """Whether the rest of a body is to come that has had its answer."""
        return self.conn.their_state is h11.SEND_BODY and self.cycle is not None and self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self.all_unread.connections.discard(self)
        self._next_look.cancel()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        self._wrote = self.loop.time()
        super().resume_writing()

    def _look(self) -> None:
        now = self.loop.time()
        self.all_unread.look(now)
        if self.transport.is_closing():
            return
        doing, seconds = self._now()
        if doing != self._doing:
            self._doing, self._since = doing, now - LOOK_SECONDS
        unread = self.unread
        if unread == 0 or self._behind == 0 or self._behind - unread >= _PROGRESS:
            self._wrote, self._behind = now, unread
        self._behind = max(self._behind, unread)
        if doing and now - self._since > seconds:
            self.cut_off(doing[0])
        elif now - self._wrote > self.timeouts.write:
            self.cut_off("read its answer")
        else:
            self._next_look = self.loop.call_later(LOOK_SECONDS, self._look)

    def _now(self) -> tuple[tuple[str, object] | None, float]:
        """What is waited for, in which request of the connection, and how long it may take."""
        if self.conn.their_state is h11.IDLE:
            return ("send its headers", self.cycle), self.timeouts.header
        if self._is_sending_in_vain():
            return ("send the rest of a body", self.cycle), self.timeouts.body
        return None, 0.0

    def cut_off(self, what: str) -> None:
        # Not closed: that would wait for a reader to take what is written.
        log.info("a connection was cut off", did_not=what, client=str(self.client))
        self.transport.abort()


def guarded(timeouts: ConnectionTimeouts, unread: Unread) -> type[GuardedConnection]:
    """The class of connections with these limits, as uvicorn's setting `http` takes it."""
    attributes: dict[str, Any] = {"timeouts": timeouts, "all_unread": unread}
    return type("Connection", (GuardedConnection,), attributes)
