import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from opsjobs_cli import entry
from structlog.testing import capture_logs

from service.domain.cluster_objects import AddonTemplate, NodeTemplate
from service.domain.job import JobType
from tests.cli.scripted import Scripted
from tests.cli.served import Served
from tests.unit.api.world import World


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


class Opsjobs:
    """The command, in this process, as alice."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        self.environment = monkeypatch

    def __call__(self, *words: str, stdin: str = "") -> Ended:
        self.environment.setattr(sys, "argv", ["opsjobs", *words])
        self.environment.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin.encode())))
        self._capsys.readouterr()
        try:
            code = entry.run()
        except SystemExit as end:
            code = int(end.code or 0)
        written = self._capsys.readouterr()
        return Ended(code, written.out, written.err)


class Grantor(World):
    """Everybody may do everything, and every Workflow does as it is told."""

    reads_templates = True

    async def may(self, *_asked: object) -> bool:
        return True

    async def granted(self, *_asked: object) -> frozenset[tuple[str, str | None]]:
        return frozenset((kind.value, None) for kind in JobType)

    async def may_get_templates(self, _who: object) -> bool:
        return self.reads_templates

    async def may_list_audit(self, _who: object) -> bool:
        return True

    async def addon_templates(self) -> list[AddonTemplate]:
        return [AddonTemplate("fix", "echo \x1b]0;owned\x07\necho two", "fixes \x1b[31mit", check="test -e x")]

    async def node_templates(self) -> list[NodeTemplate]:
        return [NodeTemplate("all", ("fix",), "all of it")]

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def stop_workflow(self, *_asked: object, **_how: object) -> None:
        pass

    async def delete_workflow(self, *_asked: object) -> None:
        pass


@pytest.fixture(scope="package")
def one_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    # What the service logs would stand between what the command writes.
    with capture_logs():
        served = Served(tmp_path_factory.mktemp("records"))
        yield served
        served.close()


@pytest.fixture
def service(one_service: Served) -> Served:
    """The service, as if it were new: with a cluster of its own, and no request and no job seen yet."""
    one_service.begin(Grantor())
    return one_service


@pytest.fixture
def nowhere(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Opsjobs:
    """The command on a machine where nothing is set."""
    for name in ("OPSJOBS_URL", "OPSJOBS_TOKEN", "OPSJOBS_TOKEN_FILE", "OPSJOBS_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPSJOBS_CONFIG", str(tmp_path / "config" / "contexts.json"))
    monkeypatch.setenv("TZ", "UTC")
    return Opsjobs(capsys, monkeypatch)


@pytest.fixture
def opsjobs(nowhere: Opsjobs, service: Served, monkeypatch: pytest.MonkeyPatch) -> Opsjobs:
    monkeypatch.setenv("OPSJOBS_URL", service.url)
    monkeypatch.setenv("OPSJOBS_TOKEN", "alice")
    return nowhere


@pytest.fixture
def scripted(opsjobs: Opsjobs, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """A service that sends what the test has written down, in place of the other."""
    server = Scripted()
    opsjobs.environment.setenv("OPSJOBS_URL", server.url)
    for pause in ("unbroken_stream._SOON", "following._SOON", "service_client._FIRST_PAUSE"):
        monkeypatch.setattr(f"opsjobs_cli.{pause}", 0)
    yield server
    server.close()
