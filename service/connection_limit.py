"""A bounded number of connections, over TLS where there is a certificate.

uvicorn and asyncio accept as many connections as come, and none needs a token. Half a request in each, or
the buffers of TLS from the moment at which it is accepted, and some thousands of them end the service. Here they are
counted, and TLS begins within uvicorn's protocol, which is made at that moment.
"""

import asyncio
import asyncio.sslproto
import time
from dataclasses import dataclass, field
from typing import Any, cast

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.tls import Certificate

log = structlog.get_logger()

#: For a client's part of the handshake.
HANDSHAKE_SECONDS = 10.0
#: Between two lines in the log about too many connections.
WARN_SECONDS = 10.0
#: Bytes that asyncio keeps for each connection to decrypt into. Its own 256 KiB are most of what a connection takes.
_READ_BYTES = 16 * 1024


@dataclass(eq=False, slots=True)
class OpenConnections:
    """Each open connection and its protocol; None: its TLS handshake is under way."""

    #: Connections at one time.
    most: int
    transports: dict[asyncio.Transport, Any] = field(default_factory=dict)
    _warned: float = -WARN_SECONDS

    def enter(self, transport: asyncio.Transport, protocol: Any = None) -> bool:
        """Count one more. Where there are too many, the oldest that waits for nothing makes room; False: none does."""
        if len(self.transports) >= self.most:
            self.transports = {known: protocol for known, protocol in self.transports.items() if not known.is_closing()}
        if len(self.transports) >= self.most:
            oldest = next((known for known, protocol in self.transports.items() if not _is_busy(protocol)), None)
            self._warn()
            if oldest is None:
                return False
            del self.transports[oldest]
            oldest.abort()
        self.transports[transport] = protocol
        return True

    def _warn(self) -> None:
        now = time.monotonic()
        if now - self._warned >= WARN_SECONDS:
            self._warned = now
            log.warning("too many connections: the oldest that wait for no answer are closed", limit=self.most)


def _is_busy(protocol: Any) -> bool:
    """Whether a request of that connection is being answered, as both of uvicorn's HTTP protocols know it."""
    cycle = getattr(protocol, "cycle", None)
    return cycle is not None and not cycle.response_complete


class Front(asyncio.Protocol):
    """Speaks with a client until the handshake is over, then hands the connection to uvicorn's own protocol."""

    open_connections: OpenConnections
    certificate: Certificate
    handshake_seconds: float
    http: type[asyncio.Protocol]

    def __init__(self, **given: Any) -> None:
        """Made by uvicorn for each connection that it accepts, as its own protocols are."""
        self._given = given
        self._early = bytearray()
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        accepted = cast("asyncio.Transport", transport)
        if self.open_connections.enter(accepted):
            self._handshake = asyncio.get_running_loop().create_task(self._secure(accepted))
        else:
            accepted.abort()

    def data_received(self, data: bytes) -> None:
        # The first request, decrypted before this task goes on.
        self._early += data

    async def _secure(self, transport: asyncio.Transport) -> None:
        loop, context = asyncio.get_running_loop(), self.certificate.server_context
        try:
            secured = await loop.start_tls(
                transport, self, context, server_side=True, ssl_handshake_timeout=self.handshake_seconds
            )
        except OSError:  # ssl.SSLError among them: no TLS, too slow, or gone
            secured = None
        if secured is None or transport.is_closing():
            transport.abort()
            return
        protocol = self.http(**self._given)
        protocol.beneath = transport  # type: ignore[attr-defined]  # connection_timeouts.py counts what waits there
        if transport in self.open_connections.transports:
            self.open_connections.transports[transport] = protocol
        secured.set_protocol(protocol)
        protocol.connection_made(secured)
        if self._early:
            protocol.data_received(bytes(self._early))


def secured(
    http: type[asyncio.Protocol],
    open_connections: OpenConnections,
    certificate: Certificate,
    handshake_seconds: float = HANDSHAKE_SECONDS,
) -> type[Front]:
    """The class of connections that speak `http` over TLS, as uvicorn's setting `http` takes it."""
    asyncio.sslproto.SSLProtocol.max_size = _READ_BYTES
    given = {
        "open_connections": open_connections,
        "certificate": certificate,
        "handshake_seconds": handshake_seconds,
        "http": http,
    }
    return type("SecuredFront", (Front,), given)


def counted(http: type[H11Protocol], open_connections: OpenConnections) -> type[H11Protocol]:
    """The class of connections that speak `http` as it is."""

    class Counted(http):  # type: ignore[misc, valid-type]  # as each is that uvicorn is given
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            if not open_connections.enter(transport, self):
                transport.abort()

    return Counted
