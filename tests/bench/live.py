"""Ten thousand live jobs, accepted by the running service: what memory they take, and how soon a change of one shows.

Their Workflows are real objects of a real apiserver; no controller touches them, so that every change is ours.
"""

import asyncio
import json
import random
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from local_cluster.cluster_settings import JOBS_NAMESPACE
from service.records.migrate import migrate
from tests.bench.cases import PATH
from tests.bench.control_plane import ControlPlane, control_plane
from tests.bench.figures import HEADER, Amount, Figures, keep
from tests.bench.processes import free_port, peak_megabytes, running

PART = "live"
VISIBLE_TARGET_MS = 500
MEMORY_TARGET_MB = 150
SUBMITTERS = 16
#: A job of twenty nodes in the middle of its work: about 17 kB of status.
NODES = [f"node-{number}" for number in range(20)]
PATIENCE_SECONDS = 600
LOOK_SECONDS = 0.01
WORKFLOWS = f"/apis/argoproj.io/v1alpha1/namespaces/{JOBS_NAMESPACE}/workflows"


@dataclass(frozen=True)
class Size:
    """How many jobs are live, and how many changes of one are timed."""

    jobs: int = 10_000
    changes: int = 300


@dataclass(frozen=True)
class Sides:
    """The service, its process, and the apiserver, each asked by an administrator."""

    service: httpx.Client
    kubernetes: httpx.Client
    pid: int


def run(size: Size) -> None:
    """Measure and keep the live part."""
    with tempfile.TemporaryDirectory(prefix="opsjobs-bench-") as name, control_plane(Path(name)) as plane:
        _prepare(plane)
        with _sides(plane, Path(name)) as sides:
            found = list(_measure(sides, size))
    keep(PART, found)


def _measure(sides: Sides, size: Size) -> Iterator[Figures | Amount]:
    print(f"\n{size.jobs:,} jobs, each accepted over HTTP …")
    began = time.monotonic()
    ids = _submit(sides.service, size.jobs)
    pace = size.jobs / (time.monotonic() - began)
    _wait_until_seen(sides.service, ids)
    print(HEADER)
    chosen = random.Random(1).sample(ids, size.changes * 2)  # noqa: S311 — the same jobs in every run
    alone = [_change(sides, job) for job in chosen[: size.changes]]
    with ThreadPoolExecutor(SUBMITTERS) as pool:
        together = list(pool.map(lambda job: _change(sides, job), chosen[size.changes :]))
    for found in (
        Figures("a change until GET shows it, 1 at a time", alone, VISIBLE_TARGET_MS),
        Figures(f"a change until GET shows it, {SUBMITTERS} at a time", together),
        Amount("peak memory of the service", peak_megabytes(sides.pid), "MB", MEMORY_TARGET_MB),
        Amount(f"jobs accepted, {SUBMITTERS} at a time", pace, "a second"),
    ):
        print(found.line(), flush=True)
        yield found


def _change(sides: Sides, job_id: str) -> float:
    """Have Argo's controller, whose part we play, start the job; answers the milliseconds until GET says Running."""
    answer = sides.kubernetes.patch(
        f"{WORKFLOWS}/{job_id}",
        content=json.dumps(_running(job_id)),
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()
    began = time.perf_counter()
    while sides.service.get(f"{PATH}/{job_id}").json()["phase"] != "Running":
        if time.perf_counter() - began > PATIENCE_SECONDS:
            raise RuntimeError(f"{job_id} is {answer.json()['status']['phase']} and GET does not show it")
        time.sleep(LOOK_SECONDS)
    return (time.perf_counter() - began) * 1000


def _running(job_id: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    steps = {
        f"{job_id}-{number}": {
            "id": f"{job_id}-{number}",
            "name": f"{job_id}[0].nodes[0].group(0:1 to {len(NODES)})[0].node({number}:{node})(0)",
            "displayName": f"node({number}:{node})(0)",
            "type": "Pod",
            "templateName": "node",
            "templateScope": f"local/{job_id}",
            "phase": "Running",
            "boundaryID": job_id,
            "startedAt": now,
            "hostNodeName": node,
            "message": "x" * 300,
            "inputs": {"parameters": [{"name": "node", "value": node}]},
        }
        for number, node in enumerate(NODES)
    }
    labels = {"workflows.argoproj.io/phase": "Running"}
    return {"metadata": {"labels": labels}, "status": {"phase": "Running", "startedAt": now, "nodes": steps}}


def _submit(service: httpx.Client, count: int) -> list[str]:
    def one(number: int) -> str:
        body = {
            "name": f"live {number}",
            "type": "addon",
            "inputs": [{"name": "addon.template", "value": "change"}, {"name": "cluster", "value": "default"}],
            "batchCount": 2,
        }
        answer = service.post(PATH, json=body)
        answer.raise_for_status()
        return str(answer.json()["jobId"])

    with ThreadPoolExecutor(SUBMITTERS) as pool:
        return list(pool.map(one, range(count)))


def _wait_until_seen(service: httpx.Client, ids: Sequence[str]) -> None:
    """A job links to Argo's UI once its Workflow was recorded."""
    until = time.monotonic() + PATIENCE_SECONDS
    for job_id in (*ids[:: max(1, len(ids) // 100)], ids[-1]):
        while not service.get(f"{PATH}/{job_id}").json()["links"]:
            if time.monotonic() > until:
                raise RuntimeError(f"{job_id} was not recorded within {PATIENCE_SECONDS} s")
            time.sleep(0.1)


def _prepare(plane: ControlPlane) -> None:
    """Nodes that are Ready and an addon to run on them."""
    ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "Bench", "message": ""}]}
    nodes = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": ready} for name in NODES]
    addon = {
        "apiVersion": "opsjob.io/v1alpha1",
        "kind": "AddonTemplate",
        "metadata": {"name": "change"},
        "spec": {"description": "a script of a usual size", "script": "echo changed\n" * 100},
    }
    plane.run("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": [*nodes, addon]}))


@contextmanager
def _sides(plane: ControlPlane, folder: Path) -> Iterator[Sides]:
    port = free_port()
    records = f"sqlite+aiosqlite:///{folder / 'live.db'}"
    asyncio.run(migrate(records))
    environment = {
        "KUBECONFIG": str(plane.kubeconfig),
        "OPSJOBS_DATABASE_URL": records,
        "OPSJOBS_PORT": str(port),
        "OPSJOBS_TEMPLATES": json.dumps({"addon": "opsjob-addon-00000000"}),
        "OPSJOBS_ARGO_UI_URL": "https://argo.example",
    }
    as_admin = {"Authorization": f"Bearer {plane.admin}"}
    url = f"http://127.0.0.1:{port}"
    # The apiserver's certificate is its own and its address this machine's.
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    with (
        httpx.Client(base_url=url, headers=as_admin, timeout=60) as service,
        httpx.Client(base_url=plane.url, headers=as_admin, timeout=60, verify=trusting) as kubernetes,
        running(
            [sys.executable, "-m", "service"],
            folder / "service.log",
            lambda: service.get("/readyz").raise_for_status(),
            environment,
        ) as pid,
    ):
        yield Sides(service, kubernetes, pid)
