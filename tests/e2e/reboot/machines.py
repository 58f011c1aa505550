"""What the reboot tests look at: boot ids, the machines beneath the nodes, and what runs on them."""

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.live import SLEEPER, Api, Cluster

NAMESPACE = "e2e-reboot"
STAGES = ("lease", "cordon", "evict", "note-boot-id", "reboot", "wait", "restore", "release")
TIMES = Path(__file__).parents[3] / "build" / "reboot-times.json"
#: A reboot is nine pods in a row, on two cores that also run the cluster.
PATIENCE = 600


def docker(*command: str) -> str:
    done = subprocess.run(["docker", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


def boot_id(cluster: Cluster, node: str) -> str:
    return str(cluster.get("node", node)["status"]["nodeInfo"]["bootID"])


def starts(cluster: Cluster, node: str) -> int:
    """How often the node's machine was started again."""
    return int(docker("inspect", "--format", "{{.RestartCount}}", cluster.facts["containers"][node]))


def steps_of(cluster: Cluster, job_id: str) -> list[dict[str, Any]]:
    """The Workflow's pods in Argo's view, in the order in which they started; `stage` is which step each is of."""
    found = cluster.get("workflow", job_id, "-n", cluster.jobs)["status"]["nodes"].values()
    pods = [one | {"stage": one["displayName"].partition("(")[0]} for one in found if one["type"] == "Pod"]
    return sorted(pods, key=lambda one: one["startedAt"])


def own_boot_id(cluster: Cluster, node: str) -> str:
    """As the machine itself says it, whatever was reported of it."""
    return cluster.on_host(node, "cat", "/proc/sys/kernel/random/boot_id").strip()


def note_times(test: str, entry: dict[str, Any]) -> None:
    """For docs/benchmarks.md: one line for each reboot, kept over runs."""
    times = {"test": test, "secondsDown": entry["secondsDown"], "secondsToReady": entry["secondsToReady"]}
    print(f"reboot times: {times}")  # noqa: T201 - pytest -s shows it
    found = json.loads(TIMES.read_text()) if TIMES.exists() else []
    TIMES.write_text(json.dumps([*found, times], indent=1))


def report(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (text,) = [output["value"] for output in job["outputs"] if output["name"] == "report"]
    return {entry["node"]: entry for entry in json.loads(text)}


def told(cluster: Cluster, node: str, job_id: str) -> list[str]:
    """Reasons of the events that this job left on a node, in order."""
    events = cluster.items("events", "-n", "default", "--field-selector", f"involvedObject.name={node}")
    ours = [event for event in events if event.get("message", "").startswith(f"job {job_id}: ")]
    return [event["reason"] for event in sorted(ours, key=lambda event: event["firstTimestamp"])]


def reboot(api: Api, *nodes: str, **body: Any) -> str:
    return api.create(
        name="e2e reboot", type="reboot", inputs=[{"name": "node", "value": node} for node in nodes], **body
    )


def at(api: Api, job_id: str, node: str, stage: str) -> None:
    """Come back when the node is at that stage."""

    def there(job: dict[str, Any]) -> bool:
        assert job["phase"] in ("Pending", "Running"), job["conditions"]
        return bool(api.node(job, node)["message"].startswith(f"at {stage}"))

    api.until(job_id, f"{node} at {stage}", there, PATIENCE)


def as_it_was(cluster: Cluster, node: str, *, cordoned: bool = False) -> bool:
    return cluster.cordon_of(node) == (cordoned, {}) and cluster.lease_of(node) is None


def owner(kind: str, name: str, node_affinity: dict[str, Any], **spec: Any) -> dict[str, Any]:
    pod = {
        "terminationGracePeriodSeconds": 0,
        "affinity": {"nodeAffinity": node_affinity},
        # What keeps other tests' pods away (tests/cluster_fixtures.py).
        "tolerations": [{"key": "opsjob-e2e", "operator": "Exists"}],
        "containers": [SLEEPER],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
            **spec,
        },
    }


def running(cluster: Cluster, node: str) -> dict[str, dict[str, Any]]:
    """The guests that run on the node, by their app."""
    on_it = f"spec.nodeName={node},status.phase=Running"
    pods = cluster.items("pods", "-n", NAMESPACE, "-l", "app", "--field-selector", on_it)
    return {pod["metadata"]["labels"]["app"]: pod for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def phase(api: Api, job_id: str) -> str:
    """Empty while the service is away with its node."""
    try:
        answer = api.client.get(f"/api/v1/opsjobs/{job_id}")
    except httpx.TransportError:
        return ""
    return str(answer.json()["phase"]) if answer.status_code == httpx.codes.OK else ""
