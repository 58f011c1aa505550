"""Workloads with something to say, dumplog jobs of them, and what is in their archives."""

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.e2e.live import SLEEPER, WORKLOADS, Api, Cluster, wait_for
from workflow_templates.object_store import Store

BUSYBOX = {"image": SLEEPER["image"], "imagePullPolicy": "Never"}
BUCKET = "opsjobs"
#: Says its word in its first life, another one in its second.
TWO_LIVES = (
    "if test -e /lives/one; then echo second life; exec sleep 3600; fi; touch /lives/one; echo first life; exit 4"
)
#: About 4 MB that no compression makes small.
NOISE = "head -c 3000000 /dev/urandom | base64; sleep 3600"


def shell(name: str, script: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **BUSYBOX, "command": ["/bin/busybox", "sh", "-c", f"PATH=/bin; {script}"], **fields}


def pod_spec(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "containers": list(containers),
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": WORKLOADS,
        **fields,
    }


def bare(workspace: str, name: str, *containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": workspace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(*containers, **fields)}


def deployment(workspace: str, name: str, replicas: int, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": workspace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }


def submitted(api: Api, workload: str, *, nodes: tuple[str, ...] = (), **body: Any) -> str:
    named = [{"name": "workload", "value": workload}, *({"name": "node", "value": node} for node in nodes)]
    return api.create(name=f"dump-{workload}", type="dumplog", inputs=named, **body)


def dumped(api: Api, workload: str, **fields: Any) -> dict[str, Any]:
    job = api.finished(submitted(api, workload, **fields))
    assert job["phase"] == "Succeeded", job["conditions"]
    return job


def whole(api: Api, workload: str, *, tries: int = 4, **fields: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A job and its archive, in which each log is whole.

    On a busy machine a kubelet may be silent for longer than a job asks it: the archive then says so, and the test,
    which is about something else, takes another.
    """
    lacking: dict[str, str] = {}
    for _ in range(tries):
        job = dumped(api, workload, **fields)
        files = opened(job)
        lacking = {log: entry["error"] for log, entry in entries(files).items() if entry["error"]}
        if not lacking:
            return job, files
    raise AssertionError(f"{tries} archives, and in each a log was not whole; in the last: {lacking}")


def outputs(job: dict[str, Any]) -> dict[str, str]:
    return {output["name"]: output["value"] for output in job["outputs"]}


def opened(job: dict[str, Any]) -> dict[str, str]:
    """The archive as whoever got the link sees it: plain HTTP, no proof of anything."""
    answer = httpx.get(outputs(job)["endpoint"], timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:gz") as archive:
        return {member.name: file.read().decode() for member in archive if (file := archive.extractfile(member))}


def entries(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The index's lines by file; those without a file by pod and container."""
    return {log["file"] or f"{log['pod']}/{log['container']}": log for log in json.loads(files["index.json"])["logs"]}


def ran(cluster: Cluster, workspace: str, *pods: str) -> None:
    """Until they have been started, so that there is a log."""
    names = pods or tuple(pod["metadata"]["name"] for pod in cluster.items("pods", "-n", workspace))

    def started() -> bool:
        found = [cluster.get("pod", name, "-n", workspace) for name in names]
        return all(pod and pod["status"]["phase"] in ("Running", "Failed", "Succeeded") for pod in found)

    wait_for(f"the start of {names}", started)


def left_of(store: Store, job_id: str) -> list[str]:
    """What speaks of a job in lists of archives, where its output is not, and of uploads that nobody completed."""
    bucket = f"{store.location.endpoint}/{BUCKET}"
    archives = store.request("GET", f"{bucket}?list-type=2&prefix=dumplog%2F").text
    lists = (archives, store.request("GET", f"{bucket}?uploads=").text)
    return [text for text in lists if job_id in text]


@contextmanager
def node_down(cluster: Cluster, node: str) -> Iterator[None]:
    """Nobody answers for its containers, which run on; Kubernetes has noticed, so that no step is put there."""
    cluster.on_host(node, "systemctl", "stop", "kubelet")
    try:
        wait_for(f"{node} NotReady", lambda: node not in cluster.nodes())
        yield
    finally:
        cluster.on_host(node, "systemctl", "start", "kubelet")
        wait_for(f"{node} Ready", lambda: node in cluster.nodes())
