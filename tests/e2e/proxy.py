"""A TCP proxy in front of the object store, for tests to make the way there bad."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PIECE = 64 << 10


@dataclass
class Proxy:
    """Passes on until told otherwise."""

    upstream: tuple[str, int]
    #: What follows happens to a connection once it has taken so many bytes to the store.
    after: int = 1_000_000
    #: It is cut, this many more times.
    cuts: int = 0
    #: It stays open and takes nothing more, until it is resumed.
    stalls: bool = False
    #: Seconds that each piece of an answer of the store's is late.
    late: float = 0
    resumed: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    was_cut: int = 0
    was_stalled: int = 0
    was_late: int = 0

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._connection, args=(client,), daemon=True).start()

    def _connection(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self.upstream) as store:
            threading.Thread(target=self._back, args=(store, client), daemon=True).start()
            sent = 0
            while piece := client.recv(_PIECE):
                sent += len(piece)
                if self.stalls and sent > self.after:
                    self.was_stalled += 1
                    self.resumed.wait()
                if self.cuts and sent > self.after:
                    self.cuts -= 1
                    self.was_cut += 1
                    return
                store.sendall(piece)

    def _back(self, store: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := store.recv(_PIECE):
                if self.late:
                    self.was_late += 1
                    time.sleep(self.late)
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)


@contextmanager
def proxy_to(url: str) -> Iterator[Proxy]:
    """On every address of this machine, so that pods reach it."""
    parts = urlsplit(url)
    assert parts.hostname
    proxy = Proxy((parts.hostname, parts.port or 80))
    with socket.create_server(("", 0), backlog=64) as listener:
        proxy.port = listener.getsockname()[1]
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.resumed.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
