"""A preflight check as its author tries it: its image and script are the caller's.

Before: the check shared /var/run/argo with Argo's `wait`, which held the token of `opsjob-preflight`. It replaced the
`argoexec` there by a script, its owner called stop, and Argo's controller ran the script in `wait`: it printed a token
that could patch every step's pod, and by that be root on every host. And it could make itself deaf to stop: pod,
Workflow and node lock lived on until the script ended.
"""

import base64
import json
import time
from typing import Any

import pytest

from tests.e2e.live import Api, Cluster, wait_for
from workflow_templates.preflight.check_pod import CheckPlacement, Request, manifest

#: What a check looks for, and then stays, whatever it is told.
LOOKS_AROUND = r"""
trap '' TERM INT HUP
echo "argo: $(ls -d /var/run/argo /argo /tmp/argo /var/argo 2>/dev/null | tr '\n' ' ')"
echo "tokens: $(find / -xdev \( -name token -o -name '*.jwt' \) -path '*run*' 2>/dev/null | tr '\n' ' ')"
echo "serviceaccount: $(ls /var/run/secrets 2>/dev/null | tr '\n' ' ')"
echo "others: $(grep -l "argoexe[c]" /proc/[0-9]*/cmdline 2>/dev/null | tr '\n' ' ')"
echo "mounts: $(awk '{print $5}' /proc/self/mountinfo | grep -v -e '^/proc' -e '^/sys' -e '^/dev' | sort | tr '\n' ' ')"
echo "caps: $(awk '/^Cap(Eff|Prm|Bnd)/ {print $2}' /proc/self/status | sort -u | tr '\n' ' ')"
echo "kubernetes: $(env | grep -c '^KUBERNETES_SERVICE')"
echo "argo in env: $(env | grep -c '^ARGO_')"
echo looked
while :; do sleep 1 & wait; done
"""


def start(api: Api, image: str, node: str, script: str, **body: Any) -> str:
    entry_point = base64.b64encode(script.encode()).decode()
    inputs = [{"name": "node", "value": node}]
    return api.create(name="attack", type="preflight", inputs=inputs, image=image, entryPoint=entry_point, **body)


def log_of(cluster: Cluster, job_id: str) -> str:
    """The log of the job's runner: what a person sees in Argo's UI."""
    named = cluster.step_pods(job_id)
    runners = [pod["metadata"]["name"] for pod in named if "-check-" in pod["metadata"]["name"]]
    return cluster.kubectl("logs", runners[0], "-n", cluster.jobs, "-c", "main", check=False) if runners else ""


def test_a_check_finds_nothing_of_ours_and_a_stop_that_it_ignores_is_enforced(
    cluster: Cluster, api: Api, node: str
) -> None:
    job_id = start(api, cluster.image, node, LOOKS_AROUND)
    wait_for("what the check found", lambda: "\nlooked" in log_of(cluster, job_id))
    lines = [line.partition(": ") for line in log_of(cluster, job_id).splitlines()]
    found = {what: value for what, _, value in lines}
    assert found["argo"].strip() == "", "nothing of Argo's to replace"
    assert found["tokens"].strip() == ""
    assert found["serviceaccount"].strip() == ""
    assert found["others"].strip() == "", "no container beside it"
    assert set(found["mounts"].split()) == {
        *("/", "/etc/opsjob", "/opsjob", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
    }
    assert found["caps"].strip() == "0000000000000000", "nor can it get a capability back"
    assert found["kubernetes"].strip() == "3", "the one Service that no pod can do without"
    assert found["argo in env"].strip() == "0"
    (check,) = cluster.items("pods", "-n", cluster.checks, "-l", f"opsjob.io/job-id={job_id}")
    assert not any("argoproj" in key for key in (*check["metadata"]["labels"], *check["metadata"]["annotations"]))

    begun = time.monotonic()
    api.stop(job_id)
    wait_for(
        "its end, by the kubelet",
        lambda: not cluster.items("pods", "-n", cluster.checks, "-l", f"opsjob.io/job-id={job_id}"),
    )
    took = time.monotonic() - begun
    job = api.finished(job_id)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    wait_for("the node to be unlocked", lambda: cluster.lease_of(node) is None)
    # 15 s of grace, and what two cores need for the rest; before it was as long as the script liked.
    assert took < 200, f"{took:.0f} s"


#: Other ways to the same end: what a check's pod would need to hold one of our tokens → never in its manifest.
def pod(**asked: Any) -> dict[str, Any]:
    place = CheckPlacement(namespace="opsjobs-checks", job="job-a1b2c3", owner_uid="u", runner="r")
    made: dict[str, Any] = manifest(Request(image="evil:1", peers="p", **asked), place, "gpu-1")
    return made


VARIANTS: dict[str, dict[str, Any]] = {
    "nothing asked": {},
    "GPUs and memory": {"limits": {"nvidia.com/gpu": "8"}, "shared_memory": "1Gi", "runtime_class": "nvidia"},
    "a directory of the host": {"host_paths": ({"root": "/nfs", "below": "a/b", "write": False, "recursive": True},)},
}


@pytest.mark.parametrize("asked", VARIANTS.values(), ids=VARIANTS)
def test_whatever_a_request_asks_for_its_pod_holds_no_credential(asked: dict[str, Any]) -> None:
    spec = pod(**asked)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert [container["name"] for container in spec["containers"]] == ["main"]
    assert not {"initContainers", "ephemeralContainers", "hostPID", "hostNetwork", "shareProcessNamespace"} & set(spec)
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"configMap", "emptyDir", "hostPath"}, "no projected token, no Secret"
    text = json.dumps(spec)
    assert "argo" not in text.lower()


ACCOUNTS = {
    "the runner patches no pod": ("opsjob-check", "patch", "pods", "jobs"),
    "nor writes a status": ("opsjob-check", "patch", "pods/status", "jobs"),
    "nor sees the pods of steps": ("opsjob-check", "list", "pods", "jobs"),
    "nor reads a Secret of the jobs": ("opsjob-check", "get", "secrets", "jobs"),
    "nor one of the checks": ("opsjob-check", "get", "secrets", "checks"),
    "nor enters a check": ("opsjob-check", "create", "pods/exec", "checks"),
    "nor changes one": ("opsjob-check", "patch", "pods", "checks"),
    "nor reads a node": ("opsjob-check", "get", "nodes", "checks"),
    "nor locks one": ("opsjob-check", "create", "leases", "jobs"),
    "nor takes a lock": ("opsjob-check", "patch", "leases", "jobs"),
    "nor frees one": ("opsjob-check", "delete", "leases", "jobs"),
    "what finishes a job patches no pod": ("opsjob-preflight", "patch", "pods", "jobs"),
    "nor its status": ("opsjob-preflight", "patch", "pods/status", "jobs"),
    "nor starts a check": ("opsjob-preflight", "create", "pods", "checks"),
    "an image's own account may nothing": ("default", "get", "pods", "checks"),
}


@pytest.mark.parametrize(("account", "verb", "resource", "where"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_a_stolen_token_would_do_no_harm(cluster: Cluster, account: str, verb: str, resource: str, where: str) -> None:
    home = cluster.checks if account == "default" else cluster.jobs
    namespace = cluster.checks if where == "checks" else cluster.jobs
    who = [f"--as=system:serviceaccount:{home}:{account}", "--as-group=system:serviceaccounts"]
    kind, _, subresource = resource.partition("/")
    what = [kind, f"--subresource={subresource}"] if subresource else [kind]
    answer = cluster.kubectl("auth", "can-i", verb, *what, *who, "-n", namespace, check=False)
    assert answer.strip() == "no"
