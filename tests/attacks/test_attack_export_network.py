"""A caller whose workload's image lies in a registry of their own: the export calls where that registry leads it.

Before, crane followed the `realm` of such a registry, from within the cluster, to whatever its name stood for (literal
addresses of private networks it has learned to refuse by itself), and printed what came from there into the job. To a
registry on a private address it fell back to plain HTTP, and sent the pull secret there in clear text; so did it with
the robot's account for the target.

The real crane, real registries and real sockets; only the network is ours. Every name and address leads to a port of
this machine, and what was dialled is written down.
"""

import base64
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from local_cluster.registries import PASSWORD, USER
from tests.registries.running import Images, Running, Trust, entry, http_server, registry, tool
from tests.unit.workflow_templates.apiserver import ApiServer, serving
from workflow_templates.exportimage.crane import Crane
from workflow_templates.exportimage.crane_errors import ExportError
from workflow_templates.exportimage.egress import Egress
from workflow_templates.exportimage.export import Export, Exporter
from workflow_templates.exportimage.proxy import Proxy, resolve

SOURCE, TARGET, EVIL, PRIVATE = "source.example.com", "harbor.example.com", "evil.example.com", "10.9.8.7"
METADATA, API, PUBLIC = "169.254.169.254", "10.96.0.1", "192.0.2.7"
SECRET = "credentials-of-the-node"
DATE, DIGEST = "20251113", "sha256:" + "0" * 64

Answer = Callable[["Heard"], tuple[int, dict[str, str], bytes]]


@dataclass
class Heard:
    path: str
    headers: dict[str, str]


@dataclass
class Server:
    """An HTTP server that answers as it is told and keeps what it heard."""

    port: int
    heard: list[Heard]

    @property
    def authorizations(self) -> list[str]:
        return [one.headers["authorization"] for one in self.heard if "authorization" in one.headers]


@contextmanager
def web(answer: Answer, certificate: tuple[Path, Path] | None = None) -> Iterator[Server]:
    heard: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            heard.append(Heard(self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, headers, body = answer(heard[-1])
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = respond  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with http_server(Handler, certificate) as port:
        yield Server(port, heard)


@dataclass
class Network:
    """Names lead to addresses (each call takes the next answer, the last stays), addresses to this machine's ports."""

    names: dict[str, list[str]]
    ports: dict[tuple[str, int], int] = field(default_factory=dict)
    dialled: list[str] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> list[tuple[str, int]]:
        if host not in self.names:
            return resolve(host, port)
        answers = self.names[host]
        return [(answers.pop(0) if len(answers) > 1 else answers[0], port)]

    def connect(self, where: tuple[str, int], seconds: float) -> socket.socket:
        self.dialled.append(where[0])
        return socket.create_connection(("127.0.0.1", self.ports.get(where, where[1])), seconds)


@dataclass
class World:
    folder: Path
    trust: Trust
    network: Network
    images: Images
    source: Running
    target: Running
    server: ApiServer
    exits: ExitStack

    def serve(self, answer: Answer, *, secured: bool = True) -> Server:
        folder = self.folder / f"server-{len(list(self.folder.iterdir()))}"
        certificate = self.trust.certificate(folder) if secured else None
        return self.exits.enter_context(web(answer, certificate))

    def push(self) -> tuple[str, str]:
        """An image in the source; its repository by the source's name, and its digest."""
        repository, _, digest = self.images.push(f"{self.source.host}/team/app:1").partition("@")
        return repository.replace("localhost", SOURCE), digest

    def exporter(
        self,
        source: str,
        digest: str = DIGEST,
        *,
        target: str = "",
        pull_secret: dict[str, Any] | None = None,
        insecure: tuple[str, ...] = (),
    ) -> Exporter:
        target = target or f"{TARGET}:{self.target.port}/custom/team/app"
        credentials = self.folder / "credentials"
        credentials.mkdir(exist_ok=True)
        (credentials / "username").write_text(USER)
        (credentials / "password").write_text(PASSWORD)
        secrets: tuple[str, ...] = ()
        if pull_secret:
            self.server.put(
                "/api/v1/namespaces/team-a/secrets/pull", {"data": {".dockerconfigjson": _base64(pull_secret)}}
            )
            secrets = ("pull",)
        egress = Egress.of(target.partition("/")[0], ["10.1.0.0/16"], insecure, API)
        proxy = self.exits.enter_context(Proxy(egress, self.network.resolve, self.network.connect).running())
        crane = Crane(self.folder / "crane", self.trust.folder, str(tool("crane")), proxy=proxy)
        export = Export(digest, (source,), target, DATE, "team-a", secrets, (), insecure)
        cluster = self.exits.enter_context(serving(self.server))
        return Exporter("job-1", export, crane, cluster, credentials=credentials, pauses=())

    def evil(self, realm: str) -> str:
        """An image in a registry whose token service is where it says."""
        challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}
        server = self.serve(lambda _: (401, challenge, b"{}"))
        return f"{EVIL}:{server.port}/team/app"


def _base64(auths: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps({"auths": auths}).encode()).decode()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    hosts = (
        "localhost",
        "127.0.0.1",
        SOURCE,
        TARGET,
        EVIL,
        METADATA,
        API,
        PUBLIC,
        PRIVATE,
        "rebound.example.com",
        "led.example.com",
    )
    trust = Trust(tmp_path / "authorities", hosts=hosts)
    names = {SOURCE: ["192.0.2.1"], TARGET: ["192.0.2.2"], EVIL: ["192.0.2.3"]}
    with ExitStack() as exits:
        source = exits.enter_context(registry(tmp_path / "source", trust))
        target = exits.enter_context(registry(tmp_path / "target", trust, password=True))
        images = Images(tmp_path / "images", trust)
        images.folder.mkdir()
        images.know(target.host)
        yield World(tmp_path, trust, Network(names), images, source, target, ApiServer(), exits)


def refusal(exporter: Exporter) -> str:
    with pytest.raises(ExportError) as raised:
        exporter.run()
    return str(raised.value)


def secretive(_: Heard) -> tuple[int, dict[str, str], bytes]:
    """What a metadata service answers."""
    return 200, {}, SECRET.encode()


def test_an_honest_export_goes_through(world: World) -> None:
    source, digest = world.push()
    name = world.exporter(source, digest).run()
    assert world.images.crane("digest", name.replace(TARGET, "localhost")) == digest
    assert set(world.network.dialled) == {"192.0.2.1", "192.0.2.2"}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("address", [METADATA, API, "10.1.2.3", "127.0.0.1", "0.0.0.0", "::ffff:169.254.169.254"])
def test_a_token_service_by_a_name_that_leads_where_no_export_calls(
    world: World, scheme: str, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    world.network.names["led.example.com"] = [address]
    hidden = world.serve(secretive, secured=scheme == "https")
    world.network.ports |= {(address, 443): hidden.port, (address, 80): hidden.port}
    said = refusal(world.exporter(world.evil(f"{scheme}://led.example.com/latest")))
    if scheme == "https":  # of a registry that speaks HTTPS, crane itself takes no other
        assert "leads to where an export does not call: led.example.com is not called: it is " in said
    assert SECRET not in said + capsys.readouterr().out
    assert not hidden.heard
    assert set(world.network.dialled) == {"192.0.2.2", "192.0.2.3"}


@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "169.254.43518"])
def test_an_address_in_another_spelling(world: World, host: str) -> None:
    """Crane knows some of them, the name server's library of the proxy all."""
    hidden = world.serve(secretive)
    world.network.ports[METADATA, 443] = hidden.port
    refusal(world.exporter(world.evil(f"https://{host}/latest")))
    assert not hidden.heard
    assert set(world.network.dialled) == {"192.0.2.2", "192.0.2.3"}


def test_a_name_that_means_another_address_a_moment_later(world: World) -> None:
    """What was checked is what is dialled: there is no second look at the name in between."""
    world.network.names["rebound.example.com"] = [PUBLIC, METADATA]
    hidden, shown = world.serve(secretive), world.serve(secretive)
    world.network.ports |= {(METADATA, 443): hidden.port, (PUBLIC, 443): shown.port}
    for _ in range(2):
        refusal(world.exporter(world.evil("https://rebound.example.com/token")))
    assert shown.heard
    assert not hidden.heard
    assert METADATA not in world.network.dialled


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, SECRET), (200, f'{{"not-a-token": "{SECRET}"}}'), (403, f"no:\nError: {SECRET}"), (500, SECRET)],
)
def test_what_comes_from_where_it_may_call_is_not_shown_either(
    world: World, status: int, body: str, capsys: pytest.CaptureFixture[str]
) -> None:
    inside = world.serve(lambda _: (status, {}, body.encode()))
    world.network.ports[PUBLIC, 443] = inside.port
    said = refusal(world.exporter(world.evil(f"https://{PUBLIC}/token")))
    assert inside.heard
    assert SECRET not in said + capsys.readouterr().out


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_redirect_to_where_no_export_calls(world: World, scheme: str) -> None:
    def away(heard: Heard) -> tuple[int, dict[str, str], bytes]:
        if heard.path == "/v2/":
            return 200, {}, b""
        return 307, {"Location": f"{scheme}://led.example.com/latest"}, b""

    world.network.names["led.example.com"] = [METADATA]
    hidden = world.serve(secretive, secured=scheme == "https")
    world.network.ports |= {(METADATA, 443): hidden.port, (METADATA, 80): hidden.port}
    said = refusal(world.exporter(f"{EVIL}:{world.serve(away).port}/team/app"))
    assert "leads to where an export does not call" in said
    assert not hidden.heard


@pytest.mark.parametrize("name", ["localhost:15000", "127.0.0.1:15000", "127.1.1.1:15000", "[::1]:15000"])
def test_a_registry_by_the_name_of_the_step_itself(world: World, name: str) -> None:
    """Go calls these past any proxy."""
    assert "is this machine itself" in refusal(world.exporter(f"{name}/team/app"))


def plain_registry(heard: Heard) -> tuple[int, dict[str, str], bytes]:
    """One that wants a password, over plain HTTP."""
    known = "authorization" in heard.headers
    return (404, {}, b"") if known else (401, {"WWW-Authenticate": 'Basic realm="x"'}, b"")


def test_no_pull_secret_goes_in_clear_text(world: World) -> None:
    plain = world.serve(plain_registry, secured=False)
    secret = {f"{PRIVATE}:{plain.port}": entry("the-teams", "team")}
    said = refusal(world.exporter(f"{PRIVATE}:{plain.port}/team/app", pull_secret=secret))
    assert "exportImage.insecureSources" in said
    assert not plain.authorizations


def test_nor_to_a_source_that_is_named_as_a_plain_one(world: World) -> None:
    plain = world.serve(plain_registry, secured=False)
    source = f"{PRIVATE}:{plain.port}"
    secret = {source: entry("the-teams", "team")}
    refusal(world.exporter(f"{source}/team/app", pull_secret=secret, insecure=(source,)))
    assert plain.heard
    assert not plain.authorizations


def test_nor_does_the_robots_password(world: World) -> None:
    """To a target whose HTTPS is broken, by an attacker who can do that much to the line."""
    source, digest = world.push()
    plain = world.serve(plain_registry, secured=False)
    refusal(world.exporter(source, digest, target=f"{PRIVATE}:{plain.port}/custom/team/app"))
    assert not plain.heard


def test_nor_does_it_go_to_a_token_service_over_plain_http(world: World) -> None:
    source, digest = world.push()
    tokens = world.serve(plain_registry, secured=False)
    challenge = {"WWW-Authenticate": f'Bearer realm="http://{PRIVATE}:{tokens.port}/token",service="x"'}
    target = world.serve(lambda _: (401, challenge, b""))
    refusal(world.exporter(source, digest, target=f"{TARGET}:{target.port}/custom/team/app"))
    assert not tokens.heard


def test_a_source_that_is_named_as_a_plain_one_is_read_all_the_same(world: World) -> None:
    with registry(world.folder / "plain", world.trust, secured=False) as plain:
        repository, _, digest = world.images.push(f"{plain.host}/team/app:1").partition("@")
        source = repository.replace("localhost", PRIVATE)
        name = world.exporter(source, digest, insecure=(source.partition("/")[0],)).run()
        assert world.images.crane("digest", name.replace(TARGET, "localhost")) == digest
