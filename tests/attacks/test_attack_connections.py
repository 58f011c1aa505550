"""Who has no token and opens connections, as many as their machine can.

Over TLS each took 200 to 280 KiB of the service's memory from the moment at which it was accepted, handshake or not:
2,000 of them ended it. Over plain HTTP it were 28,000 with half a request in each.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from local_cluster.pki import Authority
from service.connection_limit import OpenConnections, counted, secured
from service.tls import Certificate

PATIENCE = 60
MOST = 30


class Server:
    """uvicorn behind the service's front; `hold` keeps requests from being answered."""

    def __init__(self, folder: Path, handshake_seconds: float = PATIENCE, *, tls: bool = True) -> None:
        self.authority = Authority.new()
        identity = self.authority.sign("opsjobs", hosts=["localhost"])
        (folder / "tls.crt").write_bytes(identity.certificate)
        (folder / "tls.key").write_bytes(identity.key)
        self.open_connections, self.tls = OpenConnections(MOST), tls
        self.hold = threading.Event()
        self.held = 0
        self.listening = socket.socket()
        self.listening.bind(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        certificate = Certificate(folder)
        http: type[asyncio.Protocol] = counted(H11Protocol, self.open_connections)
        if tls:
            http = secured(H11Protocol, self.open_connections, certificate, handshake_seconds)
        config = uvicorn.Config(self.answer, http=http, interface="asgi3", log_config=None, lifespan="off")
        self.uvicorn = uvicorn.Server(config)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["path"] == "/held":
            self.held += 1
            await asyncio.to_thread(self.hold.wait, PATIENCE)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["scheme"].encode()})

    @contextmanager
    def running(self) -> Iterator["Server"]:
        thread = threading.Thread(target=self.uvicorn.run, kwargs={"sockets": [self.listening]})
        thread.start()
        try:
            until("the server listens", lambda: self.uvicorn.started)
            yield self
        finally:
            self.hold.set()
            self.uvicorn.should_exit = True
            thread.join(PATIENCE)
            self.listening.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}"

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.authority.identity.certificate.decode())

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def connect_secured(self) -> ssl.SSLSocket:
        return self.trust.wrap_socket(self.connect(), server_hostname="localhost")

    def get(self, path: str = "/") -> httpx.Response:
        return httpx.get(f"{self.url}{path}", verify=self.trust, timeout=PATIENCE)


def until(what: str, true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"not within {PATIENCE} s: {what}"
        time.sleep(0.02)


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError):
        try:
            return connection.recv(1) == b""
        except OSError:
            return True
    return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path, handshake_seconds=PATIENCE).running() as found:
        yield found


def test_who_never_begins_to_speak_makes_room(server: Server) -> None:
    with ExitStack() as held:
        opened = [held.enter_context(server.connect()) for _ in range(4 * MOST)]
        assert server.get().text == "https"
        until("all but the newest are closed", lambda: sum(map(is_closed, opened)) >= 3 * MOST)
        assert len(server.open_connections.transports) <= MOST


def test_nor_does_it_help_to_speak_tls_and_send_nothing(server: Server) -> None:
    with ExitStack() as held:
        opened = [held.enter_context(server.connect_secured()) for _ in range(2 * MOST)]
        assert server.get().text == "https"
        until("the older half is closed", lambda: sum(map(is_closed, opened)) >= MOST)


def test_nor_to_send_half_a_request(server: Server) -> None:
    with ExitStack() as held:
        for _ in range(2 * MOST):
            held.enter_context(server.connect_secured()).sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-")
        assert server.get().text == "https"


def test_who_waits_for_an_answer_is_not_thrown_out(server: Server) -> None:
    answers: list[httpx.Response] = []
    waiting = threading.Thread(target=lambda: answers.append(server.get("/held")))
    waiting.start()
    until("the request is being answered", lambda: server.held == 1)
    with ExitStack() as held:
        for _ in range(3 * MOST):
            held.enter_context(server.connect())
        server.get()
        server.hold.set()
        waiting.join(PATIENCE)
    assert [answer.status_code for answer in answers] == [200]


def test_who_takes_too_long_for_the_handshake_is_closed(tmp_path: Path) -> None:
    with Server(tmp_path, handshake_seconds=0.5).running() as server, server.connect() as silent:
        until("it is closed", lambda: is_closed(silent))


def test_a_request_in_the_first_flight_is_answered(server: Server) -> None:
    """A client sends it with the end of the handshake, before the server has handed the connection on."""
    for _ in range(50):
        with server.connect_secured() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")


def test_nor_does_half_a_request_over_plain_http(tmp_path: Path) -> None:
    with Server(tmp_path, tls=False).running() as server, ExitStack() as held:
        opened = [held.enter_context(server.connect()) for _ in range(3 * MOST)]
        for connection in opened:
            with contextlib.suppress(OSError):  # closed already
                connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-")
        assert server.get().text == "http"
        until("all but the newest are closed", lambda: sum(map(is_closed, opened)) >= 2 * MOST)
        assert len(server.open_connections.transports) <= MOST


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_connection_takes_little(tmp_path: Path) -> None:
    """So that as many as there may be are a small part of the chart's limit of memory."""

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024

    server = Server(tmp_path, handshake_seconds=PATIENCE)
    server.open_connections.most = 1_000
    with server.running(), ExitStack() as held:
        server.get()
        before = resident()
        for _ in range(400):
            held.enter_context(server.connect())
        until("all are accepted", lambda: len(server.open_connections.transports) >= 400)
        assert (resident() - before) / 400 < 130, "KiB each, those of this side counted too"
