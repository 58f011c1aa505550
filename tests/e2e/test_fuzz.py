"""Input as an attack: the live service against what its own /openapi.json allows, forbids and leaves open."""

import functools
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.live import Cluster, inputs, wait_for

#: It stops and deletes what the list shows it, other tests' jobs too.
pytestmark = pytest.mark.alone

CONFIG = Path(__file__).parent / "fuzz" / "schemathesis.toml"
JOBS = "/api/v1/opsjobs"


@pytest.fixture
def token(cluster: Cluster, admin: str) -> str:
    return cluster.token(admin)


@pytest.fixture
def accepted(cluster: Cluster, token: str, addon: Callable[..., str], node: str) -> Iterator[str]:
    """Orders that can run, as the hooks of schemathesis take them; what became of them is deleted."""
    name = f"fuzz-{secrets.token_hex(3)}"
    body = {"name": name, "type": "addon", "inputs": inputs(addon("true"), nodes=[node])}
    yield json.dumps([{"key": f"{name}-{number}", "body": {**body, "timeoutSecond": number}} for number in (100, 101)])
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=cluster.facts["url"], headers=headers, timeout=60, verify=cluster.trust) as api:
        query = {"jobName": name, "includeDeleted": "true"}
        made = [item["jobId"] for item in api.get(JOBS, params=query).json()["items"]]
        for job_id in made:
            api.delete(f"{JOBS}/{job_id}")
            wait_for(f"the end of {job_id}", functools.partial(_ended, api, job_id))
    assert len(made) <= 2


def _ended(api: httpx.Client, job_id: str) -> bool:
    return api.get(f"{JOBS}/{job_id}").json()["phase"] in ("Succeeded", "Failed")


def fuzz(cluster: Cluster, token: str, accepted: str, *options: str, seconds: int = 800) -> str:
    """The report of schemathesis with all checks and phases, stateful ones too; fails with what it found."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run", "--no-color"]
    command += [f"{cluster.facts['url']}/openapi.json", "--tls-verify", cluster.facts["ca"]]
    # Contract: a job that was deleted is still answered by GET.
    command += ["--checks", "all", "--exclude-checks", "use_after_free"]
    # One would keep every later job of the cluster waiting, the other lasts as long as its job.
    command += ["--exclude-operation-id", "freeze", "--exclude-operation-id", "follow_job"]
    command += ["--continue-on-failure", *options]
    environment = os.environ | {"FUZZ_ACCEPTED": accepted, "FUZZ_TOKEN": token}
    done = subprocess.run(
        command, env=environment, cwd=CONFIG.parent, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    return done.stdout


def cases(report: str) -> int:
    found = re.search(r"([\d,]+) generated", report)
    assert found, report
    return int(found[1].replace(",", ""))


def test_nothing_it_describes_or_forbids_surprises_it(cluster: Cluster, token: str, accepted: str) -> None:
    assert cases(fuzz(cluster, token, accepted, "--max-examples", "15", "--generation-deterministic")) > 200


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_nor_in_ten_minutes_of_it(cluster: Cluster, token: str, accepted: str) -> None:
    """As many cases as the machine answers in that time: some thousand where it has nothing else to do."""
    thorough = ("--max-examples", "5000", "--max-time", "600", "--generation-database", "none")
    assert cases(fuzz(cluster, token, accepted, *thorough, seconds=1500)) > 200
