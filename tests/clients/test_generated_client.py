"""A client generated from docs/openapi.json makes the five calls of the API against the real service, over HTTP."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.domain.job import JobType
from service.openapi_file import FILE
from tests.cli.conftest import Grantor
from tests.cli.served import Served
from tests.clients.npm_packages import NODE, installed, run

HERE = Path(__file__).parent


@pytest.fixture
def packages() -> Path:
    return installed(HERE)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    served.begin(Grantor())
    yield served
    served.close()


@pytest.mark.slow
def test_a_generated_client_makes_the_five_calls(packages: Path, service: Served, tmp_path: Path) -> None:
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "node_modules").symlink_to(packages)
    for name in ("package.json", "five_calls.ts"):
        shutil.copy(HERE / name, folder)
    run(NODE, "node_modules/openapi-typescript/bin/cli.js", str(FILE), "--output", "openapi.d.ts", folder=folder)
    options = ("--strict", "--target", "es2022", "--module", "nodenext")
    run(NODE, "node_modules/typescript/bin/tsc", *options, "five_calls.ts", folder=folder)
    said = json.loads(run(NODE, "five_calls.js", folder=folder, OPSJOBS_URL=service.url, OPSJOBS_TOKEN="alice"))
    job = service.job(said.pop("created"))
    assert (job.type, job.user_name) == (JobType.REBOOT, "alice")
    assert job.stop_requested
    assert job.hidden
    assert said == {
        "listed": [job.job_id],
        "shown": ["n1"],
        "statuses": [200, 200, 400],
        "refused": ["UNKNOWN_NODE"],
    }
