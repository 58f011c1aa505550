"""The way out of an export: an HTTP proxy on the loopback that dials only the very addresses that it has checked.

crane takes it from HTTPS_PROXY and HTTP_PROXY. A name is resolved once, here; what crane would find under it a moment
later does not matter. What is refused is kept, so that the step can say it without reading crane's words.
"""

import contextlib
import ipaddress
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import urlsplit

from workflow_templates.exportimage.egress import HTTPS_PORT, Egress

#: Name and port → what may be dialled for it: addresses as text, and ports.
Where = tuple[str, int]
Resolve = Callable[[str, int], list[Where]]
Connect = Callable[[Where, float], socket.socket]

_DIAL_SECONDS = 30.0
_HEADER_BYTES = 64 * 1024
_PIECE = 64 * 1024
#: Headers between crane and this proxy alone.
_OWN_HEADERS = {b"connection", b"proxy-connection", b"keep-alive", b"te", b"upgrade", b"proxy-authorization"}
_READING = {b"GET", b"HEAD"}
#: A status that no registry sends: crane does not take it for a want of credentials, nor for one that may pass.
_REFUSED = b"421 refused by the export"


class RefusedError(Exception):
    """Nothing is called there; the message says where and why, for a person."""


class _UnreachableError(Exception):
    """Nothing answers there; the message is as crane itself would have written it."""


def resolve(host: str, port: int) -> list[Where]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(str(address[0]).partition("%")[0], port) for *_, address in found]


@dataclass
class Proxy:
    """Serves one crane at a time; `address` is set while it runs."""

    egress: Egress
    resolve: Resolve = resolve
    connect: Connect = socket.create_connection
    address: str = ""
    refusals: list[str] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator["Proxy"]:
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            timeout: ClassVar[float] = _DIAL_SECONDS
            rbufsize: ClassVar[int] = 0  # what follows the request is not ours to read

            def handle(self) -> None:
                with contextlib.suppress(OSError):  # an end went away; crane says which
                    proxy._serve(self.request, self.rfile.readline)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False

        with Server(("127.0.0.1", 0), Handler) as server:
            self.address = f"http://127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def check_name(self, registry: str) -> None:
        """Refuse what crane would call without any proxy: by these names Go means the machine itself.

        Raises:
            RefusedError: it is one of them.
        """
        host, _ = _host(f"//{registry}", HTTPS_PORT)
        try:
            itself = ipaddress.ip_address(host).is_loopback
        except ValueError:
            itself = host == "localhost"
        if itself:
            raise RefusedError(f"{registry} is not called: it is this machine itself")

    def take_refusals(self) -> list[str]:
        """What was refused since this was last asked, each once."""
        found, self.refusals = list(dict.fromkeys(self.refusals)), []
        return found

    def _serve(self, client: socket.socket, read_line: Callable[[int], bytes]) -> None:
        request, *headers = _head(read_line)
        try:
            method, target, _ = request.split(b" ", 2)
            if method == b"CONNECT":
                host, port = _host(f"//{target.decode('ascii')}", HTTPS_PORT)
                server = self._dial(host, port)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                url = target.decode("ascii")
                host, port = _host(url, 80)
                self._check_plain(method, url, headers, host, port)
                server = self._dial(host, port)
                server.sendall(_origin_form(method, url, headers))
        except RefusedError as refusal:
            self.refusals.append(str(refusal))
            _answer(client, _REFUSED)
        except _UnreachableError as error:
            _answer(client, f"502 {error}".encode())
        except (ValueError, UnicodeError):
            _answer(client, b"400 Bad Request")
        else:
            with server:
                _carry_both(client, server)

    def _check_plain(self, method: bytes, url: str, headers: list[bytes], host: str, port: int) -> None:
        """Plain HTTP is for reading from sources that are named, without credentials."""
        where = f"{host}:{port}"
        if not self.egress.may_speak_http(host, port):
            raise RefusedError(
                f"{where} would be called over plain HTTP: only the registries of exportImage.insecureSources are"
            )
        secret = any(name == b"authorization" for name, _ in map(_header, headers)) or "@" in urlsplit(url).netloc
        if secret or method not in _READING:
            raise RefusedError(f"{where} speaks plain HTTP and wants credentials, which are sent over HTTPS only")

    def _dial(self, host: str, port: int) -> socket.socket:
        """Connect to the first address that is allowed and answers."""
        try:
            found = self.resolve(host, port)
        except socket.gaierror as error:
            passing = error.errno == socket.EAI_AGAIN
            raise _UnreachableError("temporary failure in name resolution" if passing else "no such host") from None
        allowed = [where for where in found if self.egress.is_target(host, port) or not self._why_not(where[0])]
        if not allowed:
            # Not what the name stands for: a caller would learn the addresses of names that only this cluster knows.
            raise RefusedError(f"{host} is not called: it is {self._why_not(found[0][0])}")
        failure = ""
        for where in allowed:
            try:
                server = self.connect(where, _DIAL_SECONDS)
            except TimeoutError:
                failure = "i/o timeout"
            except OSError as error:
                failure = (error.strerror or "connection refused").lower()
            else:
                server.settimeout(None)
                return server
        raise _UnreachableError(failure)

    def _why_not(self, address: str) -> str:
        return self.egress.why_not(ipaddress.ip_address(address))


def _head(read_line: Callable[[int], bytes]) -> list[bytes]:
    """The lines of a request before its body."""
    lines: list[bytes] = []
    left = _HEADER_BYTES
    while (line := read_line(left)).strip():
        lines.append(line.rstrip(b"\r\n"))
        left -= len(line)
        if left <= 0:
            break
    return lines or [b""]


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


def _host(url: str, usual: int) -> tuple[str, int]:
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError(url)
    return parts.hostname, parts.port or usual


def _origin_form(method: bytes, url: str, headers: list[bytes]) -> bytes:
    """The request as a server takes it, for one response."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    kept = [line for line in headers if _header(line)[0] not in _OWN_HEADERS]
    return b"\r\n".join([b" ".join([method, path.encode("ascii"), b"HTTP/1.1"]), *kept, b"Connection: close", b"", b""])


def _answer(client: socket.socket, status: bytes) -> None:
    client.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def _carry_both(client: socket.socket, server: socket.socket) -> None:
    client.settimeout(None)
    back = threading.Thread(target=_carry, args=(server, client), daemon=True)
    back.start()
    _carry(client, server)
    back.join()


def _carry(here: socket.socket, there: socket.socket) -> None:
    """Everything from one to the other; an end that breaks takes the other with it."""
    try:
        while piece := here.recv(_PIECE):
            there.sendall(piece)
        there.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (here, there):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
