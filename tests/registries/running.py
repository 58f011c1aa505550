"""Registries on this machine: real ones with TLS and passwords, and what can come between one and its clients."""

import base64
import contextlib
import json
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import tarfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from local_cluster.pki import Authority
from local_cluster.registries import HTPASSWD, PASSWORD, USER

#: A second account, beside the one of the local cluster's registry; invented, and its bcrypt.
READER, READERS_PASSWORD = "reader", "reads"
ACCOUNTS = f"{HTPASSWD}{READER}:$2b$05$9XKj4nUrMo7NBz3EYzls1.4BG7.0c.B6KbYaf80PcaaWfeYc7hZC6\n"

BIN = Path(__file__).parents[2] / "build" / "bin"
STARTS = 30
PIECE = 16 * 1024**2


def tool(name: str) -> Path:
    path = BIN / name
    assert path.exists(), f"no {name}: make up builds it"
    return path


@dataclass
class Trust:
    """An authority, and where its certificate lies for clients."""

    folder: Path
    authority: Authority = field(default_factory=Authority.new)
    #: What its certificates are good for.
    hosts: tuple[str, ...] = ("localhost", "127.0.0.1")

    def __post_init__(self) -> None:
        self.folder.mkdir()
        (self.folder / "ca.crt").write_bytes(self.authority.identity.certificate)

    def certificate(self, folder: Path) -> tuple[Path, Path]:
        """A certificate for those hosts, and its key."""
        identity = self.authority.sign("registry", hosts=self.hosts)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tls.crt").write_bytes(identity.certificate)
        (folder / "tls.key").write_bytes(identity.key)
        return folder / "tls.crt", folder / "tls.key"


@dataclass
class Running:
    """A registry by the address images are named with; `port` is the one it listens on itself."""

    port: int
    home: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def stop(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(folder: Path, trust: Trust, address: str, *, data: Path, password: bool) -> dict[str, Any]:
    certificate, key = trust.certificate(folder)
    (folder / "htpasswd").write_text(ACCOUNTS)
    auth = {"auth": {"htpasswd": {"realm": "Harbor", "path": str(folder / "htpasswd")}}} if password else {}
    return {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(data)}, "delete": {"enabled": True}},
        "http": {"addr": address, "tls": {"certificate": str(certificate), "key": str(key)}},
        **auth,
    }


@contextmanager
def registry(folder: Path, trust: Trust, *, password: bool = False, secured: bool = True) -> Iterator[Running]:
    """A registry of this machine's own; with `password` it lets nobody in without, not `secured` it has no TLS."""
    port = free_port()
    made = settings(folder, trust, f"127.0.0.1:{port}", data=folder / "data", password=password)
    if not secured:
        del made["http"]["tls"]
    (folder / "registry.yaml").write_text(yaml.safe_dump(made))
    command: list[str | Path] = [tool("registry"), "serve", folder / "registry.yaml"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OTEL_TRACES_EXPORTER": "none"})
    running = Running(port, folder, process)
    try:
        wait_for_port(port, "https" if secured else "http")
        yield running
    finally:
        running.stop()
        # pytest keeps the folders of its last runs; images need not be in them.
        shutil.rmtree(folder / "data", ignore_errors=True)


@contextmanager
def full_registry(folder: Path, trust: Trust) -> Iterator[Running]:
    """One whose disk holds next to nothing."""
    port = free_port()
    made = settings(folder, trust, ":5000", data=Path("/data"), password=False)
    made["http"]["tls"] = {"certificate": "/settings/tls.crt", "key": "/settings/tls.key"}
    (folder / "registry.yaml").write_text(yaml.safe_dump(made))
    folder.chmod(0o755)
    name = f"opsjobs-test-{uuid.uuid4().hex[:8]}"
    mounts = ["--tmpfs", "/data:size=256k,mode=1777", "--volume", f"{folder}:/settings:ro"]
    options = ["--rm", "--detach", "--name", name, "--user", "0", "--publish", f"127.0.0.1:{port}:5000", *mounts]
    command = ["docker", "run", *options, "registry:opsjobs", "serve", "/settings/registry.yaml"]
    subprocess.run(command, check=True, capture_output=True)
    try:
        wait_for_port(port)
        yield Running(port, folder)
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=False, capture_output=True)


def wait_for_port(port: int, scheme: str = "https") -> None:
    """Until a server answers there."""
    until = time.monotonic() + STARTS
    while True:
        try:
            httpx.get(f"{scheme}://localhost:{port}/v2/", verify=False)  # noqa: S501 - only whether it answers
        except httpx.TransportError:
            assert time.monotonic() < until, f"nothing answers on port {port}"
            time.sleep(0.05)
        else:
            return


@contextmanager
def harbor_without_project(folder: Path, trust: Trust) -> Iterator[Running]:
    """Answers the way Harbor does where a project is missing (its v2auth middleware: 401 with that message)."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            known = self.headers.get("Authorization")
            ping = self.path == "/v2/"
            status = 200 if ping and known else 401
            words = "project custom not found: project custom not found" if known else "unauthorized"
            text = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": words}]}).encode()
            self.send_response(status)
            self.send_header("Www-Authenticate", 'Basic realm="harbor"')
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        do_GET = do_HEAD = do_POST = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with http_server(Handler, trust.certificate(folder)) as port:
        yield Running(port, folder)


@contextmanager
def http_server(handler: type[BaseHTTPRequestHandler], certificate: tuple[Path, Path] | None = None) -> Iterator[int]:
    """A server of this process, over TLS where it has a certificate and its key; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Line:
    """A line to a registry that breaks: so many times, a connection ends once it has carried so many bytes.

    With `holds` it does not end but stands still, as long as the line is there; `reached` tells.
    """

    def __init__(self, to: int, *, after: int, cuts: int, holds: bool = False) -> None:
        self._to = to
        self._after = after
        self._lock = threading.Lock()
        self.cuts = cuts
        self.port = 0
        self.reached, self._released = threading.Event(), threading.Event()
        if not holds:
            self._released.set()

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    @contextmanager
    def open(self) -> Iterator["Line"]:
        line = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                line.connect(self.request)

        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
            self.port = int(server.server_address[1])
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                self._released.set()
                server.shutdown()
                thread.join()

    def connect(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self._to)) as registry:
            back = threading.Thread(target=self._carry, args=(registry, client))
            back.start()
            self._carry(client, registry)
            back.join()

    def _carry(self, here: socket.socket, there: socket.socket) -> None:
        carried = 0
        with contextlib.suppress(OSError):  # the other direction was cut
            while data := here.recv(16384):
                carried += len(data)
                if carried > self._after and self._cut():
                    self.reached.set()
                    self._released.wait()
                    break
                there.sendall(data)
        for end in (here, there):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> bool:
        with self._lock:
            self.cuts -= 1
            return self.cuts >= 0


@dataclass
class Images:
    """Makes images and puts them into registries, as somebody who may."""

    folder: Path
    trust: Trust

    def crane(self, *arguments: str | Path) -> str:
        self.folder.mkdir(exist_ok=True)
        environment = {**os.environ, "SSL_CERT_DIR": str(self.trust.folder), "DOCKER_CONFIG": str(self.folder)}
        done = subprocess.run([tool("crane"), *arguments], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def know(self, host: str) -> None:
        (self.folder / "config.json").write_text(json.dumps({"auths": {host: entry()}}))

    def push(self, name: str, size: int = 1000, layers: int = 1) -> str:
        """Push an image of layers of so many random bytes each; answers its name by digest."""
        self.folder.mkdir(exist_ok=True)
        made = [self._layer(self.folder / f"layer-{number}.tar.gz", size) for number in range(layers)]
        words = [word for layer in made for word in ("--new_layer", layer)]
        self.crane("append", "--oci-empty-base", *words, "--new_tag", name)
        for layer in made:
            layer.unlink()
        return f"{name.rpartition(':')[0]}@{self.crane('digest', name)}"

    def _layer(self, layer: Path, size: int) -> Path:
        content = self.folder / "content"
        with content.open("wb") as file:
            for begin in range(0, size, PIECE):
                file.write(os.urandom(min(PIECE, size - begin)))
        # Compressed already, or crane would spend minutes on what cannot be compressed.
        with tarfile.open(layer, "w:gz", compresslevel=0) as archive:
            archive.add(content, arcname="content")
        content.unlink()
        return layer


def entry(password: str = PASSWORD, user: str = USER) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}
