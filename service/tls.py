"""The service's certificate: read anew when its files change, so that a renewed one is shown without a restart."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import structlog

logger = structlog.get_logger()

#: Seconds between two looks at the files, which are taken when a client connects. The kubelet brings a renewed Secret
#: within about a minute, so more often is of no use.
LOOK_SECONDS = 1.0


class Certificate:
    """The files tls.crt (the chain) and tls.key of a folder: a mounted Secret of the type kubernetes.io/tls.

    A whole new context is made of new files and given to new connections only: a chain and a key that do not belong
    together, or that are half written, never reach a client, and the certificate of before stays in use.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read both files.

        Raises:
            OSError: a file cannot be read.
            ssl.SSLError: they are no certificate and its key.
        """
        self._chain, self._key, self._clock = folder / "tls.crt", folder / "tls.key", clock
        self._read = self._content()
        self._current = self._context()
        self._complaint = ""
        #: The context of a listening socket; each connection to it gets the certificate that is newest then.
        self.server_context = self._context()
        self.server_context.sni_callback = self._hand_out
        self._next_look = clock() + LOOK_SECONDS

    def _hand_out(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """OpenSSL calls this for each handshake, also of a client that names no server."""
        self._look()
        connection.context = self._current

    def _look(self) -> None:
        if self._clock() < self._next_look:
            return
        self._next_look = self._clock() + LOOK_SECONDS
        try:
            found = self._content()
            if found == self._read:
                return
            self._current = self._context()
        except (OSError, ssl.SSLError) as error:
            if str(error) != self._complaint:
                logger.warning("the new certificate cannot be used; the one of before stays in use", error=str(error))
            self._complaint = str(error)
        else:
            self._read, self._complaint = found, ""
            logger.info("the certificate was renewed", file=str(self._chain))

    def _content(self) -> tuple[bytes, bytes]:
        return self._chain.read_bytes(), self._key.read_bytes()

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._chain, self._key)
        return context
