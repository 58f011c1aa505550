"""A hundred callers send bodies of a megabyte, with and without a right to, while a known caller lists jobs.

The real service on SQLite against a real apiserver; what floods it is a process of its own.
"""

import asyncio
import json
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx

from local_cluster.cluster_settings import RELEASE_NAMESPACE
from service.records.migrate import migrate
from tests.bench.cases import PATH
from tests.bench.control_plane import JOB_TYPES, ControlPlane, control_plane
from tests.bench.figures import HEADER, Amount, Figures, keep, machine
from tests.bench.processes import free_port, memory_megabytes, peak_megabytes, running

PART = "flood"
LIST_TARGET_MS = 1_000
#: The chart's resources.limits.memory.
MEMORY_TARGET_MB = 512
MEGABYTE = 1024 * 1024
#: Between two lists of the known caller, as a console that looks again and again.
LOOK_SECONDS = 0.1
NODES = ["node-0", "node-1"]


@dataclass(frozen=True)
class Size:
    """How many callers flood, and for how long."""

    callers: int = 100
    seconds: float = 60


def run(size: Size) -> None:
    """Measure and keep the flood part."""
    print(machine())
    found: list[Figures | Amount] = []
    with tempfile.TemporaryDirectory(prefix="opsjobs-bench-") as name, control_plane(Path(name)) as plane:
        tokens = _prepare(plane, size.callers)
        with service(plane, Path(name), "preflight") as (port, pid):
            print(f"\n{size.callers} callers, {size.seconds:g} s each …\n{HEADER}")
            found += [_alone(port, plane)]
            for kind, mine in tokens.items():
                found += _flooded((port, pid), plane.viewer, kind, mine, size.seconds)
    keep(PART, found)


def _alone(port: int, plane: ControlPlane) -> Figures:
    """The same lists without a flood."""
    figures = Figures("list, page 1, nothing else", lists(port, plane.viewer, 15))
    print(figures.line(), flush=True)
    return figures


def _flooded(
    service: tuple[int, int], viewer: str, kind: str, tokens: list[str], seconds: float
) -> Iterator[Figures | Amount]:
    port, pid = service
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        flood = pool.submit(flooding, port, tokens, seconds)
        times = lists(port, viewer, seconds)
        statuses = flood.result()
    answered = ", ".join(f"{count} of status {status}" for status, count in sorted(statuses.items()))
    print(f"  {kind}: {answered}; memory now {memory_megabytes(pid):.0f} MB")
    for found in (
        Figures(f"list, page 1, {kind}", times, LIST_TARGET_MS),
        Amount(f"peak memory of the service, {kind}", peak_megabytes(pid), "MB", MEMORY_TARGET_MB),
        Amount(f"bodies answered, {kind}", sum(statuses.values()) / seconds, "a second"),
    ):
        print(found.line(), flush=True)
        yield found


def lists(port: int, token: str, seconds: float) -> list[float]:
    times, end = [], time.monotonic() + seconds
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
        client.get(PATH).raise_for_status()
        while time.monotonic() < end:
            began = time.perf_counter()
            client.get(PATH).raise_for_status()
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(LOOK_SECONDS)
    return times


def flooding(port: int, tokens: list[str], seconds: float) -> Counter[int]:
    """Send bodies with each token, one after another, until the time is over; how often each status came (0: none)."""
    return asyncio.run(_flood(port, tokens, seconds))


async def _flood(port: int, tokens: list[str], seconds: float) -> Counter[int]:
    statuses: Counter[int] = Counter()
    bodies = _bodies()

    async def one(number: int, token: str) -> None:
        body = bodies[number % len(bodies)]
        head = f"POST {PATH}?dryRun HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        while True:
            statuses[await _status(port, request)] += 1

    async with asyncio.TaskGroup() as group:
        senders = [group.create_task(one(number, token)) for number, token in enumerate(tokens)]
        await asyncio.sleep(seconds)
        for sender in senders:
            sender.cancel()
    return statuses


async def _status(port: int, request: bytes) -> int:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(request)
            line = await reader.readline()
            await reader.read()
        finally:
            writer.transport.abort()
        return int(line.split()[1])
    except (OSError, IndexError):
        return 0


def _bodies() -> list[bytes]:
    """Of a megabyte each: one that is good, one that is wrong in very many places, one with very much environment."""
    check: dict[str, Any] = {
        "name": "flood",
        "type": "preflight",
        "inputs": [{"name": "cluster", "value": "default"}],
        "image": "registry.example.com/check:1",
        "entryPoint": "dHJ1ZQ==",
    }
    wrong = check | {f"field{number}": "x" * 20 for number in range(20_000)}
    variables = check | {"env": {f"A{number}": "://:" * 30_000 for number in range(8)}}
    long = check | {"excludedNodes": [f"node-{number:090}" for number in range(9_900)]}
    return [json.dumps(body).encode().ljust(MEGABYTE)[:MEGABYTE] for body in (wrong, variables, long)]


def _prepare(plane: ControlPlane, callers: int) -> dict[str, list[str]]:
    """Nodes, and a hundred accounts of each kind with a token of each."""
    ready = {"conditions": [{"type": "Ready", "status": "True", "reason": "Bench", "message": ""}]}
    nodes = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": ready} for name in NODES]
    kinds = {"without any right": "stranger", "with the right": "user"}
    users = [
        {"kind": "ServiceAccount", "name": f"{kind}-{number}", "namespace": RELEASE_NAMESPACE}
        for kind in kinds.values()
        for number in range(callers)
    ]
    accounts = [
        {"apiVersion": "v1", "kind": user["kind"], "metadata": {"name": user["name"], "namespace": user["namespace"]}}
        for user in users
    ]
    group = "rbac.authorization.k8s.io"
    resources = [f"opsjobs/{job_type}" for job_type in JOB_TYPES]
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "flood"},
        "rules": [{"apiGroups": ["opsjob.io"], "resources": resources, "verbs": ["create"]}],
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "flood"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "flood"},
        "subjects": users[callers:],
    }
    items = [*nodes, *accounts, role, binding]
    plane.run("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    with apiserver(plane) as kubernetes:
        numbers = range(callers)
        return {words: [token(kubernetes, f"{kind}-{number}") for number in numbers] for words, kind in kinds.items()}


def token(kubernetes: httpx.Client, account: str) -> str:
    path = f"/api/v1/namespaces/{RELEASE_NAMESPACE}/serviceaccounts/{account}/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["opsjobs"]}}
    return str(kubernetes.post(path, json=asked).raise_for_status().json()["status"]["token"])


@contextmanager
def apiserver(plane: ControlPlane) -> Iterator[httpx.Client]:
    # The apiserver's certificate is its own and its address this machine's.
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {plane.admin}"}
    with httpx.Client(base_url=plane.url, headers=headers, timeout=60, verify=trusting) as client:
        yield client


@contextmanager
def service(plane: ControlPlane, folder: Path, job_type: str) -> Iterator[tuple[int, int]]:
    """The product itself as it runs in its pod, for jobs of one type; its port and its process."""
    port = free_port()
    records = f"sqlite+aiosqlite:///{folder / 'flood.db'}"
    asyncio.run(migrate(records))
    environment = {
        "KUBECONFIG": str(plane.kubeconfig),
        "OPSJOBS_DATABASE_URL": records,
        "OPSJOBS_PORT": str(port),
        "OPSJOBS_TEMPLATES": json.dumps({job_type: f"opsjob-{job_type}-00000000"}),
        "OPSJOBS_MAX_BODY_BYTES": str(MEGABYTE),
    }
    url = f"http://127.0.0.1:{port}/readyz"
    command = [sys.executable, "-m", "service"]
    with running(command, folder / "service.log", lambda: httpx.get(url).raise_for_status(), environment) as pid:
        yield port, pid
