"""Two hundred followers of a job's output, of ten callers, while a known caller lists jobs; and one of much output.

The real service on SQLite against a real apiserver, which asks a kubelet of ours; who follows is a process of its own.
"""

import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from local_cluster.cluster_settings import JOBS_NAMESPACE, RELEASE_NAMESPACE
from tests.bench.cases import PATH
from tests.bench.control_plane import ControlPlane, control_plane
from tests.bench.figures import HEADER, Amount, Figures, keep, machine
from tests.bench.flood import apiserver, lists, service, token
from tests.bench.processes import free_port, memory_megabytes, peak_megabytes, running
from workflow_templates.protocol import labels

PART = "follow"
LINES_A_SECOND = 10
BYTES = 100
#: The list's p99 with all followers against without.
FACTOR = 3
MEMORY_TARGET_MB = 60
#: Of one follower.
MANY_LINES_A_SECOND = 10_000


@dataclass(frozen=True)
class Size:
    callers: int = 10
    followers: int = 200
    seconds: float = 30


@dataclass(frozen=True)
class Read:
    """What came: lines, and how many of them were not the next one."""

    lines: int
    out_of_order: int
    cut_off: int


def run(size: Size) -> None:
    """Measure and keep the follow part."""
    print(machine())
    with tempfile.TemporaryDirectory(prefix="opsjobs-bench-") as name, control_plane(Path(name)) as plane:
        found = [*_followed(plane, Path(name), size), *_much(plane, Path(name), size)]
    keep(PART, found)


def _followed(plane: ControlPlane, folder: Path, size: Size) -> Iterator[Figures | Amount]:
    tokens = _callers(plane, size.callers)
    with _kubelet(plane, folder, "node-0", LINES_A_SECOND), service(plane, folder, "addon") as (port, pid):
        job = _job(plane, port, "node-0", tokens[0])
        alone = Figures("list, page 1, nothing else", lists(port, plane.viewer, size.seconds))
        before = memory_megabytes(pid)
        print(f"\n{size.followers} followers of {LINES_A_SECOND} lines a second …\n{HEADER}")
        with _following(port, tokens, job, size.followers, size.seconds + 10) as reading:
            time.sleep(5)
            times = lists(port, plane.viewer, size.seconds)
            read = reading.result()
        for found in (
            alone,
            Figures(f"list, page 1, {size.followers} followers", times, FACTOR * alone.at(99)),
            Amount("more memory than before", peak_megabytes(pid) - before, "MB", MEMORY_TARGET_MB),
            Amount("lines that came", read.lines / (size.seconds + 10), "a second"),
            Amount("lines lost, doubled or out of order", read.out_of_order, "lines", 0),
            Amount("streams that were cut off", read.cut_off, "streams", 0),
        ):
            print(found.line(), flush=True)
            yield found


def _much(plane: ControlPlane, folder: Path, size: Size) -> Iterator[Amount]:
    tokens = _callers(plane, 1)
    with _kubelet(plane, folder, "node-1", MANY_LINES_A_SECOND), service(plane, folder, "addon") as (port, _):
        job = _job(plane, port, "node-1", tokens[0])
        print(f"\none follower of {MANY_LINES_A_SECOND:,} lines a second …")
        with _following(port, tokens, job, 1, size.seconds) as reading:
            read = reading.result()
    for found in (
        Amount("lines of one follower", read.lines / size.seconds, "a second"),
        Amount("its lines lost, doubled or out of order", read.out_of_order, "lines", 0),
    ):
        print(found.line(), flush=True)
        yield found


@contextmanager
def _following(port: int, tokens: list[str], job: str, followers: int, seconds: float) -> Iterator[Any]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool.submit(follow, port, tokens, job, followers, seconds)


def follow(port: int, tokens: list[str], job: str, followers: int, seconds: float) -> Read:
    """Follow the job's output so often, each caller as often as the others."""
    return asyncio.run(_follow(port, tokens, job, followers, seconds))


async def _follow(port: int, tokens: list[str], job: str, followers: int, seconds: float) -> Read:
    counts: list[int] = [0] * followers
    strays = cut_off = 0

    async def one(number: int) -> None:
        nonlocal strays, cut_off
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        head = f"GET {PATH}/{job}/log?follow=true HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
        writer.write(f"{head}Authorization: Bearer {tokens[number % len(tokens)]}\r\n\r\n".encode())
        first = None
        while line := await reader.readline():
            if not line.startswith(b'data: {"node"'):
                continue
            found = int(json.loads(line.removeprefix(b"data: "))["text"])
            first = found if first is None else first
            strays += found != first + counts[number]
            counts[number] += 1
        cut_off += 1

    readers = [asyncio.create_task(one(number)) for number in range(followers)]
    await asyncio.sleep(seconds)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    return Read(sum(counts), strays + sum(not count for count in counts), cut_off)


@contextmanager
def _kubelet(plane: ControlPlane, folder: Path, node: str, pace: int) -> Iterator[None]:
    port = free_port()
    ready = {"type": "Ready", "status": "True", "reason": "Bench", "message": ""}
    status = {
        "conditions": [ready],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    made = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}, "status": status}
    plane.run("create", "-f", "-", given=json.dumps(made))
    command = [sys.executable, "-m", "tests.bench.kubelet", str(port), str(pace), str(BYTES)]
    url = f"https://127.0.0.1:{port}/containerLogs/a/b/main"
    with running(command, folder / "kubelet.log", lambda: httpx.get(url, verify=False)):  # noqa: S501 - its own
        yield


def _callers(plane: ControlPlane, count: int) -> list[str]:
    """Tokens of so many accounts that may see every job and create addons."""
    group = "rbac.authorization.k8s.io"
    names = [f"follower-{count}-{number}" for number in range(count)]
    users = [{"kind": "ServiceAccount", "name": name, "namespace": RELEASE_NAMESPACE} for name in names]
    accounts = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": RELEASE_NAMESPACE}}
        for name in names
    ]
    role = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"followers-{count}"},
        "rules": [{"apiGroups": ["opsjob.io"], "resources": ["opsjobs/addon"], "verbs": ["get", "list", "create"]}],
    }
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"followers-{count}"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": f"followers-{count}"},
        "subjects": users,
    }
    items = [*accounts, role, binding]
    plane.run("create", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    with apiserver(plane) as kubernetes:
        return [token(kubernetes, name) for name in names]


def _job(plane: ControlPlane, port: int, node: str, caller: str) -> str:
    """A job that is at work on the node, with the pod that Argo would have made."""
    template = {
        "apiVersion": "opsjob.io/v1alpha1",
        "kind": "AddonTemplate",
        "metadata": {"name": f"writes-{node}"},
        "spec": {"description": "bench", "script": "true"},
    }
    plane.run("apply", "-f", "-", given=json.dumps(template))
    inputs = [{"name": "addon.template", "value": f"writes-{node}"}, {"name": "node", "value": node}]
    body = {"name": "bench", "type": "addon", "inputs": inputs}
    headers = {"Authorization": f"Bearer {caller}"}
    answer = httpx.post(f"http://127.0.0.1:{port}{PATH}", json=body, headers=headers, timeout=60)
    job = str(answer.raise_for_status().json()["jobId"])
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{job}-node-1",
            "namespace": JOBS_NAMESPACE,
            "labels": {labels.ARGO_WORKFLOW: job, labels.STEP: labels.STEP_NODE},
            "annotations": {labels.ARGO_NODE_NAME: f"{job}[0].node(0:{node})(0)"},
        },
        "spec": {
            "nodeName": node,
            "containers": [{"name": "main", "image": "none", "args": [f"--node={node}"]}],
        },
    }
    plane.run("create", "-f", "-", given=json.dumps(pod))
    state = {"name": "main", "image": "none", "imageID": "", "ready": True, "restartCount": 0, "state": {"running": {}}}
    status = json.dumps({"status": {"phase": "Running", "containerStatuses": [state]}})
    where = ("-n", JOBS_NAMESPACE, "--subresource=status", "--type=merge", "-p", status)
    plane.run("patch", "pod", f"{job}-node-1", *where)
    return job
