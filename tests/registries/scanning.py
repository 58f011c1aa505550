"""A Harbor that prevents vulnerable images, put before a real registry: what is not scanned is not handed out."""

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar

from tests.registries.running import Running, Trust, http_server

#: What Harbor answers (its vulnerable middleware).
VIOLATION = {
    "errors": [
        {
            "code": "PROJECTPOLICYVIOLATION",
            "message": "current image without vulnerability scanning cannot be pulled due to configured policy in "
            "'Prevent images with vulnerability severity of \"High\" or higher from running.'",
        }
    ]
}
#: Headers of one connection, which the next one writes itself.
_HOP_BY_HOP = {"content-length", "transfer-encoding", "connection", "date"}
_MANIFEST = re.compile(r"/manifests/(?P<reference>[^/]+)$")


@dataclass
class Scanning:
    """Reads of manifests that are there are answered with 412, so many times; then they are let through."""

    behind: Running
    trust: ssl.SSLContext
    refusals: int
    #: Whether a manifest is refused by its digest, too.
    digests: bool
    port: int = 0
    #: The requests that were refused.
    refused: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def refuses(self, method: str, path: str) -> bool:
        found = _MANIFEST.search(path)
        if method not in ("GET", "HEAD") or not found or len(self.refused) >= self.refusals:
            return False
        if found["reference"].startswith("sha256:") and not self.digests:
            return False
        self.refused.append(f"{method} {path}")
        return True


@contextmanager
def scanning(behind: Running, trust: Trust, *, refusals: int, digests: bool = False) -> Iterator[Scanning]:
    """Stand before a registry; with `digests` a manifest is refused by its digest, too."""
    state = Scanning(behind, ssl.create_default_context(cafile=trust.folder / "ca.crt"), refusals, digests)
    with http_server(
        type("Handler", (Front,), {"state": state}), trust.certificate(behind.home / "front")
    ) as state.port:
        yield state


class Front(BaseHTTPRequestHandler):
    """Passes everything on to the registry behind it, and its answer back."""

    protocol_version = "HTTP/1.1"
    state: ClassVar[Scanning]

    def pass_on(self) -> None:
        chunked = self.headers.get("Transfer-Encoding") == "chunked"
        body = self._chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
        registry = http.client.HTTPSConnection("localhost", self.state.behind.port, context=self.state.trust)
        registry.request(self.command, self.path, body or None, headers)
        answer = registry.getresponse()
        content = answer.read()
        if answer.status == 200 and self.state.refuses(self.command, self.path):
            self._answer(412, {"Content-Type": "application/json"}, json.dumps(VIOLATION).encode())
        else:
            self._answer(answer.status, dict(answer.getheaders()), content)
        registry.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = pass_on  # noqa: N815 - http.server's names

    def _chunks(self) -> bytes:
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
