"""Nodes that exist only in the apiserver: KWOK reports them Ready, and what Argo starts on them ends by itself."""

import asyncio
import contextlib
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml

from local_cluster.binaries import MODULES, built_tool
from local_cluster.cluster_settings import BUILD, Settings
from local_cluster.stages import Stages
from service.kube.client import Api
from tests.bench import fake_steps
from tests.bench.processes import running
from tests.e2e.live import Cluster

#: On everything that this benchmark makes; its nodes are one workspace.
MARK = "opsjob.io/bench"
WORKSPACE_LABEL = "opsjob.io/workspace"
WORKSPACE = "bench-fleet"

_OURS = f"{MARK}=scale"
_NODES = "/api/v1/nodes"
_PREFIX = "fake-"
_MODULE = "sigs.k8s.io/kwok"
#: How nodes become and stay Ready, and how pods start and go, as KWOK has it.
_STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-delete.yaml",
)
#: As real kubelets, they say by a Lease that they live. A node's whole status instead, fifty times a second, took more
#: of the apiserver than the job.
_RENEWALS_PER_SECOND = 50
#: The node's controller waits 50 s.
_MOST_SECONDS_BETWEEN = 40
#: Requests at the same time.
_WRITERS = 8

_WORKFLOW = "workflows.argoproj.io/workflow"


@contextlib.asynccontextmanager
async def fake_nodes(cluster: Cluster, api: Api, folder: Path, count: int, seconds: float) -> AsyncIterator[None]:
    """That many Ready nodes, on which a step takes that long, for the length of the block."""
    await remove(api)
    (folder / "kwok.yaml").write_text(yaml.safe_dump_all([*_kwok_stages(), _step_ends(seconds)]))
    # It ends with this process however that ends.
    command: list[str | Path] = [
        "setpriv",
        "--pdeathsig",
        "TERM",
        built_tool(Settings().cache, "kwok", Stages(BUILD / "logs")),
        "--config",
        folder / "kwok.yaml",
    ]
    command += ["--kubeconfig", cluster.facts["kubeconfig"], f"--manage-nodes-with-label-selector={_OURS}"]
    command.append(f"--node-lease-duration-seconds={_lease_seconds(count)}")
    try:
        with running(command, folder / "kwok.log", lambda: None):
            await _create(api, count)
            await until("all nodes Ready", 300 + 0.3 * count, lambda: _ready(api, count))
            executor = asyncio.create_task(fake_steps.report(api, cluster.jobs))
            try:
                yield
            finally:
                executor.cancel()
                # KWOK, as their kubelet, has to let them go.
                await until("the steps' pods are gone", 300, lambda: _pods_gone(api, cluster.jobs))
    finally:
        await remove(api)


async def remove(api: Api) -> None:
    """Take away every node of this benchmark's, an interrupted run's too."""
    await api._json("DELETE", _NODES, query={"labelSelector": _OURS})


def _lease_seconds(count: int) -> int:
    """KWOK renews after a quarter of this."""
    return 4 * min(max(1, count // _RENEWALS_PER_SECOND), _MOST_SECONDS_BETWEEN)


def _kwok_stages() -> list[Any]:
    answer = subprocess.run(
        ["go", "mod", "download", "-json", _MODULE],
        cwd=MODULES / "kwok",
        env={**os.environ, "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    folder = Path(json.loads(answer)["Dir"]) / "kustomize" / "stage"
    return [yaml.safe_load((folder / name).read_text()) for name in _STAGES]


def _step_ends(seconds: float) -> dict[str, Any]:
    """A stage of ours: all containers of a step's pod have ended well, that long after they began."""
    status = """
{{ $now := Now }}
{{ $root := . }}
containerStatuses:
{{ range $index, $item := .spec.containers }}
{{ $origin := index $root.status.containerStatuses $index }}
- image: {{ $item.image | Quote }}
  name: {{ $item.name | Quote }}
  ready: false
  restartCount: 0
  started: false
  state:
    terminated:
      exitCode: 0
      finishedAt: {{ $now | Quote }}
      reason: Completed
      startedAt: {{ $origin.state.running.startedAt | Quote }}
{{ end }}
phase: Succeeded
"""
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": "step-ends"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {
                "matchExpressions": [
                    {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"},
                    {"key": ".status.phase", "operator": "In", "values": ["Running"]},
                    {"key": f'.metadata.labels["{_WORKFLOW}"]', "operator": "Exists"},
                ]
            },
            "delay": {"durationMilliseconds": round(seconds * 1000)},
            "next": {"statusTemplate": status},
        },
    }


def _node(number: int) -> dict[str, Any]:
    """Nothing lands there but what tolerates everything."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"{_PREFIX}{number:05}", "labels": {MARK: "scale", WORKSPACE_LABEL: WORKSPACE}},
        "spec": {"taints": [{"key": MARK, "effect": effect} for effect in ("NoSchedule", "NoExecute")]},
        "status": {"nodeInfo": {"bootID": fake_steps.boot_id()}},
    }


async def _create(api: Api, count: int) -> None:
    turns = asyncio.Semaphore(_WRITERS)

    async def one(number: int) -> None:
        async with turns:
            await api.create(_NODES, _node(number))

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))


async def until(what: str, seconds: float, check: Callable[[], Awaitable[bool]]) -> None:
    """Ask once a second.

    Raises:
        TimeoutError: naming what did not come.
    """
    end = time.monotonic() + seconds
    while not await check():
        if time.monotonic() > end:
            raise TimeoutError(f"did not come within {seconds:g} s: {what}")
        await asyncio.sleep(1)


async def _ready(api: Api, count: int) -> bool:
    nodes = [node async for node in api.list(_NODES, {"labelSelector": _OURS})]
    conditions = [condition for node in nodes for condition in node["status"].get("conditions", ())]
    return [one["status"] for one in conditions if one["type"] == "Ready"].count("True") == count


async def _pods_gone(api: Api, namespace: str) -> bool:
    steps = {"labelSelector": fake_steps.STEPS}
    pods = [pod async for pod in api.list(f"/api/v1/namespaces/{namespace}/pods", steps)]
    return not any(pod["spec"].get("nodeName", "").startswith(_PREFIX) for pod in pods)
