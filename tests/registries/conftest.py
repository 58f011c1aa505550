"""The step of exportimage against real registries, with the real crane, and a Kubernetes API of the unit tests."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local_cluster.registries import PASSWORD, USER
from tests.registries.running import Images, Running, Trust, registry, tool
from tests.unit.workflow_templates.apiserver import ApiServer, serving
from workflow_templates.exportimage.crane import Crane
from workflow_templates.exportimage.export import Export, Exporter
from workflow_templates.kubernetes_api import Cluster

NAMESPACE = "team-a"
DATE = "20251113"

Start = Callable[..., Running]
MakeExporter = Callable[..., Exporter]


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust(tmp_path / "authorities")


@pytest.fixture
def start(tmp_path: Path, trust: Trust) -> Iterator[Start]:
    """Start a registry; it is gone after the test."""
    with ExitStack() as running:

        def start(name: str, *, password: bool = False, trust: Trust = trust) -> Running:
            return running.enter_context(registry(tmp_path / name, trust, password=password))

        yield start


@pytest.fixture
def source(start: Start) -> Running:
    return start("source")


@pytest.fixture
def target(start: Start) -> Running:
    return start("target", password=True)


@pytest.fixture
def images(tmp_path: Path, trust: Trust, target: Running) -> Images:
    made = Images(tmp_path / "images", trust)
    made.folder.mkdir()
    made.know(target.host)
    return made


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def cluster(server: ApiServer) -> Iterator[Cluster]:
    with serving(server) as cluster:
        yield cluster


@pytest.fixture
def exporter(tmp_path: Path, trust: Trust, cluster: Cluster) -> MakeExporter:
    """Make the step of one job: what it copies, who it is to the target, repositories to look into `before`."""

    def make(  # noqa: PLR0913 - all that a job may differ in
        image: str,
        target: str,
        *,
        job: str = "job-1",
        user: str | None = USER,
        password: str = PASSWORD,
        pull_secrets: tuple[str, ...] = (),
        before: tuple[str, ...] = (),
        program: Path | None = None,
    ) -> Exporter:
        credentials = tmp_path / f"credentials-{job}"
        credentials.mkdir(exist_ok=True)
        if user:
            (credentials / "username").write_text(user)
            (credentials / "password").write_text(password)
        repository, _, digest = image.partition("@")
        export = Export(digest, (*before, repository), target, DATE, NAMESPACE, pull_secrets)
        crane = Crane(tmp_path / f"crane-{job}", trust.folder, str(program or tool("crane")))
        return Exporter(job, export, crane, cluster, credentials=credentials, pauses=(0.1, 0.1))

    return make


def pull_secret(server: ApiServer, name: str, auths: dict[str, dict[str, str]]) -> str:
    text = base64.b64encode(json.dumps({"auths": auths}).encode()).decode()
    server.put(f"/api/v1/namespaces/{NAMESPACE}/secrets/{name}", {"data": {".dockerconfigjson": text}})
    return name
