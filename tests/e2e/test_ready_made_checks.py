"""The ready-made checks (docs/preflight-checks) on real nodes: healthy with what was measured, unhealthy by threshold.

The machine's nodes share two CPUs, so thresholds here say only "something was measured".
"""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.live import Api, Cluster
from tests.e2e.preflight_jobs import check, image, outputs, report, store
from workflow_templates.object_store import Store

# Fixtures of the other module, by name.
__all__ = ["image", "store"]

CHECKS = Path(__file__).parents[2] / "docs" / "preflight-checks"
LITTLE_MEMORY = {"MEMORY_MIB": "32", "MEMORY_SECONDS": "1", "MEMORY_MIN_GIBS": "0.001"}
SHORT_CPU = {"CPU_SECONDS": "1", "CPU_MIN_MIBS": "1", "CPU_MIN_EVEN_PERCENT": "1", "CPU_MAX_STEAL_PERCENT": "100"}
SMALL = {"cpu": "100m", "memory": "192Mi"}
#: A message as a driver words it, in a log of the node's.
LOG = "/var/log/e2e-kern.log"
XID = "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, GPU has fallen off the bus."

Nodes = dict[str, dict[str, Any]]


def begin(api: Api, image: str, script: str, nodes: list[str], **env: str) -> str:
    return check(api, image, script, nodes, env=env, resource=SMALL, hostpath=["/var/log"], timeoutSecond=240)


def values(node: dict[str, Any]) -> dict[str, Any]:
    return {found["name"]: found["value"] for found in node["checks"]}


def ready_made(name: str) -> str:
    return (CHECKS / f"{name}.sh").read_text()


def passed(store: Store, job: dict[str, Any], nodes: list[str]) -> list[dict[str, Any]]:
    """Each node's line of a report in which all are healthy."""
    found = report(store, job)
    assert job["phase"] == "Succeeded", (job["conditions"][-1]["message"], found)
    return [found[node] for node in nodes]


@pytest.mark.long  # the script's own tests; make test runs all ready-made checks once
def test_a_disk_with_too_little_room_is_unhealthy_with_the_reason(
    api: Api, image: str, store: Store, two_nodes: list[str]
) -> None:
    job = api.finished(begin(api, image, ready_made("disk"), two_nodes, DISK_MIN_FREE_GIB="1000000000"))
    assert job["phase"] == "Failed"
    assert "GiB free, less than 1000000000 GiB" in job["conditions"][-1]["message"]
    for node in two_nodes:
        found = report(store, job)[node]
        assert (found["status"], found["exitCode"]) == ("fail", 1)
        assert "disk: disk /var/log: " in found["reason"]
        (disk, _) = found["checks"]
        assert (disk["status"], disk["suggestedAction"]) == ("fail", "clean up /var/log")


@pytest.fixture
def log(cluster: Cluster, two_nodes: list[str]) -> Iterator[str]:
    """A kernel log on both nodes, with an Xid on the first."""
    stamp = datetime.now(UTC).isoformat()
    for node in two_nodes:
        said = XID if node == two_nodes[0] else "Linux version 6.1.0"
        cluster.on_host(node, "sh", "-c", f"echo '{stamp} {node} kernel: [  1.0] {said}' > {LOG}")
    yield LOG
    for node in two_nodes:
        cluster.on_host(node, "rm", "-f", LOG)


@pytest.mark.long  # the script's own tests; it needs a node of its own
def test_kernel(api: Api, image: str, store: Store, log: str, two_nodes: list[str]) -> None:
    job = api.finished(begin(api, image, ready_made("kernel"), two_nodes, KERNEL_LOGS=log))
    bad, *good = two_nodes
    assert outputs(job)["failedNodes"] == f'["{bad}"]'
    found = report(store, job)
    assert values(found[bad])["kernel-xid"] == 1
    assert XID in found[bad]["reason"]
    for node in good:
        assert values(found[node]) == {name: 1 if name == "kernel-log" else 0 for name in values(found[bad])}


def test_those_that_need_one_node_in_one_job(api: Api, image: str, store: Store, node: str) -> None:
    """All nodes here have one clock, and the server that the clock's check asks is the API server on it."""
    paths = [str(CHECKS / f"{name}.sh") for name in ("disk", "clock", "memory", "cpu")]
    made = subprocess.run(["/bin/sh", CHECKS / "combine.sh", *paths], capture_output=True, text=True, check=True)
    room = {"DISK_MIN_FREE_GIB": "0.01", "DISK_MIN_FREE_PERCENT": "0"}
    job = api.finished(begin(api, image, made.stdout, [node], **LITTLE_MEMORY, **SHORT_CPU, **room))
    for found in passed(store, job, [node]):
        measured = values(found)
        # It found the host directory by itself, and that one alone.
        assert {name for name in measured if name.startswith(("disk", "inodes"))} == {
            "disk /var/log",
            "inodes /var/log",
        }
        assert measured["disk /var/log"] > 0.01
        assert 0 < measured["inodes /var/log"] <= 100
        assert abs(measured["clock"]) < 1
        assert measured["clock-sync"] in ("yes", "no")
        assert measured["memory-bandwidth"] > 0.001
        assert measured["memory-size"] > 1
        assert measured["cpu-throughput"] > 1
        assert 0 < measured["cpu-evenness"] <= 100


def test_network(api: Api, image: str, store: Store, two_nodes: list[str]) -> None:
    env = {"NETWORK_MAX_MS": "5000", "NETWORK_MIN_MIBS": "0.1", "NETWORK_WAIT_SECONDS": "120"}
    job = api.finished(begin(api, image, ready_made("network"), two_nodes, **env))
    for node in passed(store, job, two_nodes):
        others = {f"to {other}" for other in two_nodes if other != node["name"]}
        assert {"peers", "latency", "throughput"} | others == set(values(node))
        assert values(node)["peers"] == len(others)
        assert values(node)["latency"] > 0
        assert values(node)["throughput"] > 0.1
