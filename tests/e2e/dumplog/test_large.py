"""Two gigabytes of logs through one step that may use 256 MiB."""

import hashlib
import json
import os
import random
import re
import secrets
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.dumplog.workloads import outputs
from tests.e2e.live import SLEEPER, Api, Cluster, wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

#: One of them has a gigabyte, the others share what is left of two.
PODS = 8
FIRST_MEGABYTES = 1_050
MEGABYTES = 150
FIGURES = Path(__file__).parents[3] / "build" / "dumplog.json"
#: The kubelet's own form of a log: time, stream, whole line.
PREFIX = "2026-11-24T00:00:00.000000000Z stdout F "


def piece(lines: int) -> bytes:
    """Lines as a training writes them, no two alike."""
    draw = random.Random(8)  # noqa: S311 - a test's data
    return "".join(
        f"{PREFIX}[rank {draw.randrange(64):2}] step {number:8} loss {draw.random():.12f} "
        f"grad_norm {draw.random():.9f} lr {draw.random():.6e} tokens/s {draw.randrange(10**7)}\n"
        for number in range(lines)
    ).encode()


@pytest.fixture
def workload(cluster: Cluster, admin: str) -> Iterator[str]:
    """A finished Job of some pods; their logs, which nobody rotates any more, are then written anew on the nodes."""
    name, rbac = f"e2e-large-{secrets.token_hex(3)}", "rbac.authorization.k8s.io"
    spec = {"containers": [{**SLEEPER, "command": ["/bin/busybox", "echo", "begun"]}], "restartPolicy": "Never"}
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"opsjob.io/workspace": name}},
        },
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "view", "namespace": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": admin, "namespace": cluster.facts["namespace"]}],
        },
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": name},
            "spec": {"completions": PODS, "parallelism": PODS, "template": {"spec": spec}},
        },
    )
    wait_for("the job's end", lambda: cluster.get("job", name, "-n", name)["status"].get("succeeded") == PODS)
    part = piece(50_000)
    plain = len(part) - 50_000 * len(PREFIX)
    append = "cat > /tmp/part && for n in $(seq $2); do cat /tmp/part; done > $1/main/0.log; rm /tmp/part"
    for number, pod in enumerate(cluster.items("pods", "-n", name)):
        times = (MEGABYTES if number else FIRST_MEGABYTES) * 10**6 // plain
        folder = f"/var/log/pods/{name}_{pod['metadata']['name']}_{pod['metadata']['uid']}"
        node = cluster.facts["containers"][pod["spec"]["nodeName"]]
        subprocess.run(
            ["docker", "exec", "-i", node, "sh", "-c", append, "sh", folder, str(times)], input=part, check=True
        )
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def by_kubectl(cluster: Cluster, workload: str, pod: str) -> tuple[int, str]:
    """Size and sum of what kubectl logs gives of one pod."""
    environment = os.environ | {"KUBECONFIG": cluster.facts["kubeconfig"]}
    command = [f"{cluster.facts['bin']}/kubectl", "logs", pod, "-n", workload]
    return size_and_sum(command, environment)


def written(cluster: Cluster, workload: str) -> dict[str, tuple[int, str]]:
    """By pod, of the lines that lie on its node: kubectl takes a minute for each 250 MB of them."""
    found = {}
    for pod in cluster.items("pods", "-n", workload):
        name = pod["metadata"]["name"]
        file = f"/var/log/pods/{workload}_{name}_{pod['metadata']['uid']}/main/0.log"
        node = cluster.facts["containers"][pod["spec"]["nodeName"]]
        found[name] = size_and_sum(["docker", "exec", node, "cut", "-b", f"{len(PREFIX) + 1}-", file])
    return found


def size_and_sum(command: list[str], environment: dict[str, str] | None = None) -> tuple[int, str]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        size, digest = 0, hashlib.sha256()
        while content := process.stdout.read(1 << 20):
            size += len(content)
            digest.update(content)
    assert process.returncode == 0
    return size, digest.hexdigest()


def downloaded(job: dict[str, Any], folder: Path) -> Path:
    """The archive as whoever got the link gets it."""
    path = folder / "logs.tar.gz"
    with httpx.stream("GET", outputs(job)["endpoint"], timeout=300, trust_env=False) as answer, path.open("wb") as file:
        assert answer.status_code == 200
        for content in answer.iter_bytes():
            file.write(content)
    return path


def test_two_gigabytes_of_logs_in_256_mebibytes(cluster: Cluster, api: Api, workload: str, tmp_path: Path) -> None:
    by_pod = written(cluster, workload)
    smallest = min(by_pod, key=lambda pod: by_pod[pod][0])
    begun = time.monotonic()
    assert by_kubectl(cluster, workload, smallest) == by_pod[smallest]
    kubectl_seconds = time.monotonic() - begun
    sizes = [size for size, _ in by_pod.values()]
    assert max(sizes) >= 10**9
    assert sum(sizes) >= 2 * 10**9

    begun = time.monotonic()
    job = api.finished(api.create(name="large", type="dumplog", inputs=[{"name": "workload", "value": workload}]), 2400)
    by_job = time.monotonic() - begun
    assert job["phase"] == "Succeeded", job["conditions"]
    assert " logs are not, or not wholly, in it" not in job["conditions"][-1]["message"]
    (step,) = cluster.step_pods(job["jobId"])
    main = next(container for container in step["spec"]["containers"] if container["name"] == "main")
    assert main["resources"]["limits"] == {"memory": "256Mi"}
    words = cluster.kubectl("logs", step["metadata"]["name"], "-c", "main", "-n", cluster.jobs)
    said = re.search(r"([\d.]+) MB of logs in ([\d.]+) s, with at most (\d+) MiB", words)
    assert said, words
    assert float(said[1]) == pytest.approx(sum(sizes) / 1e6, abs=0.1)
    assert int(said[3]) < 256

    path = downloaded(job, tmp_path)
    compressed = path.stat().st_size
    try:
        with tarfile.open(path, "r:gz") as archive:
            # Read from the front to the end: this is a gigabyte, and nothing of it is sought twice.
            assert found_in(archive) == by_pod
    finally:
        path.unlink()
    figures = {
        "logs": len(sizes),
        "megabytes": round(sum(sizes) / 1e6, 1),
        "largestMegabytes": round(max(sizes) / 1e6, 1),
        "archiveMegabytes": round(compressed / 1e6, 1),
        "peakMebibytes": int(said[3]),
        "step": {"seconds": float(said[2]), "megabytesPerSecond": round(float(said[1]) / float(said[2]), 1)},
        "job": {"seconds": round(by_job, 1), "megabytesPerSecond": round(sum(sizes) / 1e6 / by_job, 1)},
        "kubectlOfOnePod": {
            "seconds": round(kubectl_seconds, 1),
            "megabytesPerSecond": round(by_pod[smallest][0] / 1e6 / kubectl_seconds, 1),
        },
    }
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"\n{said[0]}; {json.dumps(figures)}")  # noqa: T201


def found_in(archive: tarfile.TarFile) -> dict[str, tuple[int, str]]:
    """Size and sum of each pod's log, whose further files come after its first; and that the index says the same."""
    sizes: dict[str, int] = {}
    digests: dict[str, Any] = {}
    index: dict[str, Any] = {}
    for member in archive:
        file = archive.extractfile(member)
        assert file
        if member.name == "index.json":
            index = json.load(file)
            continue
        pod = member.name.partition("/")[0]
        digest = digests.setdefault(pod, hashlib.sha256())
        while content := file.read(1 << 20):
            sizes[pod] = sizes.get(pod, 0) + len(content)
            digest.update(content)
    assert {log["pod"]: (log["bytes"], log["error"]) for log in index["logs"]} == {
        pod: (size, "") for pod, size in sizes.items()
    }
    return {pod: (size, digests[pod].hexdigest()) for pod, size in sizes.items()}
