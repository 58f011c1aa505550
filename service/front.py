"""The way in where the service speaks TLS: a bounded number of connections, each with a bounded time to its first byte.

A connection over TLS takes many times the memory of a plain one, from the moment at which it is accepted; uvicorn and
asyncio take in as many as come. Nobody needs a token for that, so a few thousand of them would end the service.
Here TLS begins within uvicorn's protocol, which is made at that moment, and so can be counted.
"""

import asyncio
import asyncio.sslproto
from dataclasses import dataclass, field
from typing import Any, cast

import structlog

from service.tls import Certificate

log = structlog.get_logger()

#: For a client's part of the handshake.
HANDSHAKE_SECONDS = 10.0
#: Bytes that asyncio keeps for each connection to decrypt into. Its own 256 KiB are most of what a connection takes.
_READ_BYTES = 16 * 1024


@dataclass(eq=False, slots=True)
class Doors:
    """Who is connected, and the protocol that speaks with them; None: their handshake is under way."""

    certificate: Certificate
    #: Connections at one time.
    most: int
    handshake_seconds: float = HANDSHAKE_SECONDS
    inside: dict[asyncio.Transport, Any] = field(default_factory=dict)

    def enter(self, transport: asyncio.Transport) -> bool:
        """Count one more. Where there are too many, the oldest that waits for nothing makes room; False: none does."""
        if len(self.inside) >= self.most:
            self.inside = {known: protocol for known, protocol in self.inside.items() if not known.is_closing()}
        if len(self.inside) >= self.most:
            oldest = next((known for known, protocol in self.inside.items() if not _is_busy(protocol)), None)
            log.info("too many connections", limit=self.most, closed="the newest" if oldest is None else "an idle one")
            if oldest is None:
                return False
            del self.inside[oldest]
            oldest.abort()
        self.inside[transport] = None
        return True


def _is_busy(protocol: Any) -> bool:
    """Whether a request of that connection is being answered, as both of uvicorn's HTTP protocols know it."""
    cycle = getattr(protocol, "cycle", None)
    return cycle is not None and not cycle.response_complete


class Front(asyncio.Protocol):
    """Speaks with a client until the handshake is over, then hands the connection to uvicorn's own protocol."""

    doors: Doors
    http: type[asyncio.Protocol]

    def __init__(self, **given: Any) -> None:
        """Made by uvicorn for each connection that it accepts, as its own protocols are."""
        self._given = given
        self._early = bytearray()
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        accepted = cast("asyncio.Transport", transport)
        if self.doors.enter(accepted):
            self._handshake = asyncio.get_running_loop().create_task(self._secure(accepted))
        else:
            accepted.abort()

    def data_received(self, data: bytes) -> None:
        # The first request, decrypted before this task goes on.
        self._early += data

    async def _secure(self, transport: asyncio.Transport) -> None:
        loop, context = asyncio.get_running_loop(), self.doors.certificate.server_context
        try:
            secured = await loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=self.doors.handshake_seconds
            )
        except OSError:  # ssl.SSLError among them: no TLS, too slow, or gone
            secured = None
        if secured is None or transport.is_closing():
            transport.abort()
            return
        protocol = self.http(**self._given)
        if transport in self.doors.inside:
            self.doors.inside[transport] = protocol
        secured.set_protocol(protocol)
        protocol.connection_made(secured)
        if self._early:
            protocol.data_received(bytes(self._early))


def secured(http: type[asyncio.Protocol], doors: Doors) -> type[Front]:
    """The class of connections that speak `http` over TLS, as uvicorn's setting `http` takes it."""
    asyncio.sslproto.SSLProtocol.max_size = _READ_BYTES
    return type("SecuredFront", (Front,), {"doors": doors, "http": http})
