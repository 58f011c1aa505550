"""A server that behaves like Kubernetes, a client of the steps to it, and a host that is a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.workflow_templates.apiserver import ApiServer, serving
from workflow_templates.host import Host
from workflow_templates.kubernetes_api import Cluster


@pytest.fixture(autouse=True)
def termination_message(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where a step leaves its termination message."""
    path = tmp_path / "last-word"
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(path))
    return path


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def cluster(server: ApiServer) -> Iterator[Cluster]:
    with serving(server) as cluster:
        yield cluster


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """This machine, without becoming root on it, its scripts in a folder of the test's."""
    return Host("job-1", prefix=(), root=tmp_path / "run", marks=tmp_path / "lib")
