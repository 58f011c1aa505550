"""The first job: what a newcomer would do by hand, done once before their eyes."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from local_cluster import argo
from local_cluster.cluster_settings import RELEASE_NAMESPACE
from local_cluster.handover import Handover
from local_cluster.kubectl import Kubectl
from local_cluster.stages import Stage, StageError, spoken

ACCOUNT = "opsjobs-demo"
#: The role that lets the demo's account read pods and their logs.
READER = "opsjobs-demo-reader"
TEMPLATE = "opsjobs-demo"
AUDIENCE = "opsjobs"
WRITTEN = "/run/opsjobs-demo"
DEMO_NODES = 3
POLL_SECONDS = 0.5
TIMEOUT_SECONDS = 300
FINAL = ("Succeeded", "Failed")


def prepare(kubectl: Kubectl, stage: Stage) -> str:
    """Make the caller, its rights and the addon template, and return a token for the service's audience."""
    kubectl.apply(
        stage,
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": RELEASE_NAMESPACE}},
        {
            # Of their own: no caller reads through dumplog and exportimage what they may not read themselves.
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": READER},
            "rules": [{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]}],
        },
        _bound(ACCOUNT, "opsjobs-admin"),
        _bound(READER, READER),
        {
            "apiVersion": "opsjob.io/v1alpha1",
            "kind": "AddonTemplate",
            "metadata": {"name": TEMPLATE},
            "spec": {
                "description": "Leave a line on the node's own file system, to be read back from there",
                "script": f'echo "$(hostname) changed at $(date -u +%T), kernel $(uname -r)" | tee {WRITTEN}\n',
            },
        },
    )
    return token(kubectl, stage)


def _bound(name: str, role: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": RELEASE_NAMESPACE}],
    }


def token(kubectl: Kubectl, stage: Stage) -> str:
    """Ask Kubernetes for a bearer token of the demo's account; it stays out of every log."""
    return kubectl.secret(stage, "-n", RELEASE_NAMESPACE, "create", "token", ACCOUNT, f"--audience={AUDIENCE}")


def open_nodes(kubectl: Kubectl, stage: Stage) -> list[str]:
    """Name the first few nodes that take ordinary pods."""
    nodes = kubectl.get(stage, "nodes")["items"]
    fit = [node["metadata"]["name"] for node in nodes if not node["spec"].get("taints")]
    if not fit:
        raise StageError("no node of this cluster takes ordinary pods: all are tainted or cordoned")
    return sorted(fit)[:DEMO_NODES]


def request(nodes: Sequence[str]) -> dict[str, Any]:
    targets = [{"name": "node", "value": name} for name in nodes]
    template = {"name": "addon.template", "value": TEMPLATE}
    return {"name": "first job", "type": "addon", "inputs": [template, *targets], "batchCount": 2}


def run(handover: Handover, bearer: str, nodes: Sequence[str]) -> dict[str, Any]:
    """Submit the job, print what happens meanwhile, and return the job as GET shows it at its end.

    Raises StageError where the service refuses, or the job has not ended in good time.
    """
    headers = {"Authorization": f"Bearer {bearer}"}
    url = handover.url
    with httpx.Client(base_url=url, headers=headers, timeout=30, verify=handover.trust()) as client:
        body = request(nodes)
        print(f"\nPOST {url}/api/v1/opsjobs\n{json.dumps(body, indent=2)}", flush=True)
        answer = client.post("/api/v1/opsjobs", json=body)
        if not answer.is_success:
            raise StageError(f"the service refused the first job: {answer.status_code} {answer.text}")
        print(f"{answer.status_code} {answer.text}\n", flush=True)
        return follow(client, str(answer.json()["jobId"]))


def follow(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """Print each change of the job and of its nodes until it has ended."""
    begun = time.monotonic()
    seen: dict[str, str] = {}
    while True:
        answer = client.get(f"/api/v1/opsjobs/{job_id}")
        if not answer.is_success:
            raise StageError(f"{job_id} cannot be read: {answer.status_code} {answer.text}")
        job: dict[str, Any] = answer.json()
        for line in changes(job, seen):
            print(f"  {spoken(time.monotonic() - begun):>7}  {line}", flush=True)
        if job["phase"] in FINAL:
            return job
        if time.monotonic() - begun > TIMEOUT_SECONDS:
            raise StageError(f"{job_id} has not ended after {TIMEOUT_SECONDS} s: it is {job['phase']}")
        time.sleep(POLL_SECONDS)


def changes(job: dict[str, Any], seen: dict[str, str]) -> list[str]:
    """Say what is new since the last look; `seen` remembers that look."""
    now = {"job": job["phase"]}
    for node in job["plan"]["nodes"]:
        now[node["name"]] = " - ".join(part for part in (node["phase"], node.get("message")) if part)
    fresh = [f"{name}: {state}" for name, state in now.items() if seen.get(name) != state]
    seen.update(now)
    return fresh


def print_job(job: dict[str, Any], read_back: dict[str, str]) -> None:
    """Print the job as GET shows it, what ran where, and what the nodes say themselves where they can be asked."""
    print(f"\nGET /api/v1/opsjobs/{job['jobId']}\n{json.dumps(job, indent=2)}\n\nWhat ran where:")
    for line in ran(job):
        print(f"  {line}")
    if read_back:
        print(f"What {WRITTEN} says, read on each node's host:")
    for node, line in read_back.items():
        print(f"  {node}: {line}")


def ran(job: dict[str, Any]) -> list[str]:
    """One line per node and template: how it ended and its last output, from the job's report."""
    outputs = {output["name"]: output["value"] for output in job["outputs"]}
    return [
        f"{node['node']}: {template['name']} {template['result']}: {template['lastLines'].strip()}"
        for node in json.loads(outputs.get("report") or "[]")
        for template in node["templates"]
    ]


def how_to_go_on(handover: Handover, job: dict[str, Any], *, ours: bool) -> None:
    """Print the next steps as commands to copy: the command line's first, a request and Argo's after them."""
    job_id, node = job["jobId"], job["plan"]["nodes"][0]["name"]
    # Last, so that nothing of this environment but what is nowhere else is found.
    path = ":".join([*([handover.bin] if ours else []), "$PATH", str(Path(sys.executable).parent)])
    authority = f" OPSJOBS_CA_FILE={handover.ca}" if handover.ca else ""
    curl = f"curl -s --cacert {handover.ca}" if handover.ca else "curl -s"
    print(f"""
How to go on
  export OPSJOBS_URL={handover.url}{authority}
  export KUBECONFIG={handover.kubeconfig} PATH={path}
  export OPSJOBS_TOKEN=$(kubectl create token {ACCOUNT} -n {RELEASE_NAMESPACE} --audience={AUDIENCE})

  opsjobs list
  opsjobs report {job_id}
  opsjobs addon --template {TEMPLATE} --node {node} --wait

  {curl} "$OPSJOBS_URL/api/v1/opsjobs/{job_id}" -H "Authorization: Bearer $OPSJOBS_TOKEN"
  argo get {job_id} -n {handover.jobsNamespace}""")
    if ours:
        print(f"""
  {handover.argoUrl}/workflows/{handover.jobsNamespace} is Argo's UI. Its certificate is of {handover.ca};
  its box for client authentication takes all that this prints, for an account that sees every job and changes none:
  echo "Bearer $(kubectl create token {argo.READER} -n {argo.NAMESPACE} --duration=8h)"

  make down      removes the cluster""")
    else:
        service = f"kubectl port-forward -n {RELEASE_NAMESPACE} service/opsjobs {handover.url.rpartition(':')[2]}:80"
        print(f"  the URL needs: {service}\n  helm uninstall opsjobs -n {RELEASE_NAMESPACE}      removes it again")
