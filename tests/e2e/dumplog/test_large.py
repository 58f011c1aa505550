"""Two gigabytes of logs through one step that may use 256 MiB."""

import random
import secrets
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.e2e.live import SLEEPER, Api, Cluster, wait_for

pytestmark = pytest.mark.long

PODS = 8
MEGABYTES = 256
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
    """A finished Job of some pods; their logs, which nobody rotates any more, are then made long on the nodes."""
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
    times = MEGABYTES * 10**6 // len(part)
    append = f"cat > /tmp/part && for n in $(seq {times}); do cat /tmp/part; done >> $1/main/0.log; rm /tmp/part"
    for pod in cluster.items("pods", "-n", name):
        folder = f"/var/log/pods/{name}_{pod['metadata']['name']}_{pod['metadata']['uid']}"
        node = cluster.facts["containers"][pod["spec"]["nodeName"]]
        subprocess.run(["docker", "exec", "-i", node, "sh", "-c", append, "sh", folder], input=part, check=True)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def test_two_gigabytes_of_logs_in_256_mebibytes(cluster: Cluster, api: Api, workload: str) -> None:
    begun = time.monotonic()
    sizes = [
        len(cluster.kubectl("logs", pod["metadata"]["name"], "-n", workload))
        for pod in cluster.items("pods", "-n", workload)
    ]
    by_kubectl = time.monotonic() - begun
    begun = time.monotonic()
    job = api.finished(api.create(name="large", type="dumplog", inputs=[{"name": "workload", "value": workload}]), 1200)
    by_job = time.monotonic() - begun
    assert job["phase"] == "Succeeded"
    assert " logs are not, or not wholly, in it" not in job["conditions"][-1]["message"]
    (step,) = cluster.step_pods(job["jobId"])
    main = next(container for container in step["spec"]["containers"] if container["name"] == "main")
    assert main["resources"]["limits"] == {"memory": "256Mi"}
    words = cluster.kubectl("logs", step["metadata"]["name"], "-c", "main", "-n", cluster.jobs).splitlines()[-1]
    assert f"{sum(sizes) / 1e6:.1f} MB of logs" in words
    print(f"\n{words}; the job in {by_job:.0f} s, kubectl logs one after another in {by_kubectl:.0f} s")  # noqa: T201
