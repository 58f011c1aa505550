"""One job over a fleet: the real service, Argo and apiserver of the cluster; only the nodes are fake (KWOK)."""

import asyncio
import base64
import itertools
import json
import math
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from service.kube.client import Api, KubeSettings, connect
from tests.bench import reboots
from tests.bench.fake_nodes import MARK, WORKSPACE, WORKSPACE_LABEL, fake_nodes, until
from tests.bench.figures import Amount, Figures, keep, machine
from tests.bench.usage import usage
from tests.e2e.live import Cluster
from workflow_templates.object_store import Store
from workflow_templates.protocol.sigv4 import Signer
from workflow_templates.protocol.store_location import StoreLocation

PART = "scale"
#: The whole job against ⌈nodes / batchCount⌉ times what one step takes.
ALLOWED = 1.15
_FACTS = Path(__file__).parents[2] / "build" / "cluster.json"
_JOBS = "/api/v1/opsjobs"
_NAME = "opsjobs-bench"
_BUCKET = "opsjobs"
#: How often the job and the service are looked at, in seconds.
_LOOK = 2.0


@dataclass(frozen=True)
class Size:
    """A fleet, how many of its nodes are in work at a time, and how long a step takes there.

    A preflight job is on all of them at the same time, whatever `batch` says. Of a reboot's three steps the one on the
    node itself takes `seconds`; the two others really run, on the cluster's own nodes.
    """

    nodes: int = 1_000
    batch: int = 50
    seconds: float = 10
    job_type: str = "addon"

    @property
    def at_once(self) -> int:
        return self.nodes if self.job_type == "preflight" else self.batch

    @property
    def theory(self) -> float:
        return math.ceil(self.nodes / self.at_once) * self.seconds

    def __str__(self) -> str:
        return f"{self.job_type}, {self.nodes} nodes, {self.at_once} at a time, {self.seconds:g} s each"


#: What issue 19 names, and in how many seconds it is to be done.
REBOOTS, REBOOTS_WITHIN = Size(200, 20, 30, "reboot"), 900.0
_USUAL = {"addon": (Size(), Size(seconds=2)), "preflight": (Size(job_type="preflight"),), "reboot": (REBOOTS,)}


def sizes(job_type: str, nodes: int, batch: int, seconds: Sequence[float]) -> Iterator[Size]:
    """The usual sizes of a type of job, but for what is given: 0, or none, is not."""
    for usual in _USUAL[job_type]:
        size = replace(usual, nodes=nodes or usual.nodes, batch=batch or usual.batch)
        yield from (replace(size, seconds=each) for each in seconds) if seconds else (size,)
        if seconds:
            return


def run(sizes: list[Size]) -> None:
    """Measure and keep the scale part."""
    if not _FACTS.exists():
        raise SystemExit("the scale part needs the cluster: run make up first")
    cluster = Cluster(json.loads(_FACTS.read_text()))
    found: list[Amount | Figures] = []
    for size in sizes:
        found += asyncio.run(_measure(cluster, size))
        keep(PART, found)


async def _measure(cluster: Cluster, size: Size) -> list[Amount | Figures]:
    print(f"\n{size} …; {machine()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="opsjobs-bench-") as folder, _prepared(cluster):
        api = await connect(KubeSettings(kubeconfig=cluster.facts["kubeconfig"]))
        try:
            async with _caller(cluster) as client:
                await _delete_all(client)
                async with fake_nodes(cluster, api, Path(folder), size.nodes, size.seconds):
                    try:
                        return [amount async for amount in _run(cluster, api, client, size)]
                    finally:
                        await _delete_all(client)
        finally:
            await api.close()


async def _run(cluster: Cluster, api: Api, client: httpx.AsyncClient, size: Size) -> AsyncIterator[Amount | Figures]:
    """Run one job, and say what it took.

    Raises:
        RuntimeError: it did not succeed, more nodes than batchCount were in work, or its report lacks one.
    """
    before, most = await usage(cluster, api), 0.0
    job = await _job(client, await _submit(client, size))
    while job["phase"] not in ("Succeeded", "Failed"):
        await asyncio.sleep(_LOOK)
        job = await _job(client, job["jobId"])
        after = await usage(cluster, api)
        most = max(most, after.megabytes)
    nodes = job["plan"]["nodes"]
    if job["phase"] != "Succeeded" or len(nodes) != size.nodes:
        raise RuntimeError(f"{job['jobId']} with {len(nodes)} nodes: {job['conditions'][-1]['message']}")
    if at_once(nodes) > size.at_once:
        raise RuntimeError(f"{at_once(nodes)} nodes were in work at the same time, and {size.at_once} may be")
    began, ended = min(node["start"] for node in nodes), max(node["end"] for node in nodes)
    # Only the sizes that issues name have a target; shorter steps show what the machine can do.
    target = ALLOWED if size == Size() else None
    makespan = between(job["creationTime"], job["endTime"])
    workflow = await _workflow(cluster, api, job["jobId"])
    of_type: Iterable[Amount | Figures] = ()
    if size.job_type == "preflight":
        of_type = _report(cluster, job)
    elif size.job_type == "reboot":
        of_type = reboots.amounts(workflow, size.nodes, size.at_once, makespan)
    for amount in (
        Amount("from submission to the end", makespan, "s", REBOOTS_WITHIN if size == REBOOTS else None),
        Amount(f"the same against {size.theory:g} s", makespan / size.theory, "times", target),
        Amount("until the first node is begun", between(job["creationTime"], began), "s"),
        Amount("from the first node's start to the last one's end", between(began, ended), "s"),
        Amount("clean-up and verdict", between(ended, job["endTime"]), "s"),
        Amount("the Workflow object", len(json.dumps(workflow, separators=(",", ":")).encode()) / 1000, "kB"),
        Amount("the service's processor", (after.cpu - before.cpu) / (after.at - before.at), "cores"),
        Amount("the service's working set, most", most, "MB"),
        *of_type,
    ):
        found = replace(amount, case=f"{size}: {amount.case}")
        print(found.line(), flush=True)
        yield found


def _report(cluster: Cluster, job: dict[str, Any]) -> Iterator[Amount]:
    """The report of a preflight job, read from the store as its caller would; all the job's nodes are in it."""
    keys = cluster.get("secret", "opsjobs-store", "-n", cluster.jobs)["data"]
    access_key, secret_key = (base64.b64decode(keys[name]).decode() for name in ("accessKey", "secretKey"))
    place = StoreLocation(endpoint=cluster.facts["storeUrl"], bucket=_BUCKET)
    with httpx.Client(timeout=60) as http:
        store = Store(http, place, Signer(access_key, secret_key, "us-east-1"))
        for name in ("report.json", "junit.xml", "matrix.svg"):
            content = store.request("GET", place.url(f"preflight/{job['jobId']}/{name}")).content
            if name == "report.json":
                check_report(json.loads(content), job)
            yield Amount(name, len(content) / 1000, "kB")


def check_report(report: dict[str, Any], job: dict[str, Any]) -> None:
    """Raises RuntimeError: a planned node of a job that succeeded is not in the report, or not healthy there."""
    healthy = {node["name"] for node in report["nodes"] if node["status"] == "pass"}
    if lacking := sorted({node["name"] for node in job["plan"]["nodes"]} - healthy):
        raise RuntimeError(f"{len(lacking)} nodes are not in the report as healthy, {lacking[0]} among them")


@contextmanager
def _prepared(cluster: Cluster) -> Iterator[None]:
    """A caller who may do everything, a workspace of the fake nodes, and an addon whose script never runs."""
    mark = {MARK: "scale"}
    account = {"name": _NAME, "namespace": cluster.facts["namespace"]}
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**account, "labels": mark}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": _NAME, "labels": mark},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "opsjobs-admin"},
            "subjects": [{"kind": "ServiceAccount", **account}],
        },
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": WORKSPACE, "labels": {**mark, WORKSPACE_LABEL: WORKSPACE}},
        },
        {
            "apiVersion": "opsjob.io/v1alpha1",
            "kind": "AddonTemplate",
            "metadata": {"name": _NAME, "labels": mark},
            "spec": {"description": "made by the scale benchmark", "script": "true"},
        },
    )
    try:
        yield
    finally:
        cluster.kubectl("delete", "addontemplate,namespace,clusterrolebinding", "-l", f"{MARK}=scale", "--wait=false")
        cluster.kubectl("delete", "serviceaccount", _NAME, "-n", cluster.facts["namespace"])


def _caller(cluster: Cluster) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {cluster.token(_NAME)}"}
    transport = httpx.AsyncHTTPTransport(retries=3, verify=cluster.trust)
    return httpx.AsyncClient(base_url=cluster.facts["url"], headers=headers, timeout=60, transport=transport)


async def _submit(client: httpx.AsyncClient, size: Size) -> str:
    inputs = [{"name": "workspace", "value": WORKSPACE}]
    order: dict[str, Any] = {"name": _NAME, "type": size.job_type, "inputs": inputs}
    if size.job_type == "addon":
        inputs.append({"name": "addon.template", "value": _NAME})
        order |= {"isTolerateAll": True, "batchCount": size.batch}
    elif size.job_type == "reboot":
        order["rollout"] = {"maxUnavailable": size.batch}
    else:
        order |= {
            "isTolerateAll": True,
            "image": "none.invalid/check:1",
            "entryPoint": base64.b64encode(b"true").decode(),
        }
    answer = await client.post(_JOBS, json=order)
    if answer.is_error:
        raise RuntimeError(f"the job was refused: {answer.text}")
    return str(answer.json()["jobId"])


async def _workflow(cluster: Cluster, api: Api, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] | None = await api.get(
        f"/apis/argoproj.io/v1alpha1/namespaces/{cluster.jobs}/workflows/{job_id}"
    )
    if found is None:
        raise RuntimeError(f"the Workflow of {job_id} is gone")
    return found


async def _job(client: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.get(f"{_JOBS}/{job_id}")).raise_for_status().json()
    return answer


async def _delete_all(client: httpx.AsyncClient) -> None:
    """Delete this benchmark's jobs, an interrupted run's too, and wait until their Workflows have gone."""
    listed = (await client.get(_JOBS, params={"jobName": _NAME})).raise_for_status().json()["items"]
    for item in listed:
        (await client.delete(f"{_JOBS}/{item['jobId']}")).raise_for_status()

        async def ended(job_id: str = item["jobId"]) -> bool:
            return bool((await _job(client, job_id))["endTime"])

        await until(f"the end of {item['jobId']}", 180, ended)


def at_once(nodes: list[dict[str, Any]]) -> int:
    """How many were in work at the same time; the times are whole seconds, so an end comes before a start."""
    changes = sorted([(node["end"], -1) for node in nodes] + [(node["start"], 1) for node in nodes])
    return max(itertools.accumulate(change for _, change in changes))


def between(begin: str, end: str) -> float:
    """Seconds from one of the API's times to another."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
