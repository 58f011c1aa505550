"""The job of `make up`, and the document's example: seen from REST, from kubectl and from argo."""

import json
import re
from collections.abc import Callable

import pytest

from service.api.examples import ADDON
from tests.cluster_fixtures import Take
from tests.e2e.live import Api, Cluster, inputs

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

#: The fields of the document's GET example that every type has.
DETAIL = {
    "jobId", "jobName", "clusterId", "workspaceId", "userId", "userName", "type", "phase", "creationTime", "startTime",
    "endTime", "deletionTime", "timeoutSecond", "conditions", "inputs", "outputs", "env", "isTolerateAll",
}  # fmt: skip


@pytest.mark.long  # make test has the document's example, and many nodes in test_addon.py
def test_an_addon_changes_every_node_and_says_so(
    cluster: Cluster, api: Api, addon: Callable[..., str], nodes: Take
) -> None:
    mine = nodes(3)
    template = addon("hostname > /run/opsjobs-e2e-first; echo changed $(hostname)")
    job_id = api.create(name="First Job!", inputs=inputs(template, nodes=mine), batchCount=3)
    assert re.fullmatch(r"first-job-[a-z0-9]{6}", job_id)
    assert api.job(job_id)["phase"] in ("Pending", "Running")  # read your own write

    job = api.finished(job_id)

    assert job["phase"] == "Succeeded"
    assert {node["name"]: node["phase"] for node in job["plan"]["nodes"]} == dict.fromkeys(mine, "Succeeded")
    assert job["progress"] == "3/3"
    assert [cluster.on_host(node, "cat", "/run/opsjobs-e2e-first").strip() for node in mine] == mine
    assert set(job) >= DETAIL
    assert job["jobName"] == "First Job!"
    assert [(c["type"], c["reason"]) for c in job["conditions"]] == [
        ("Pending", "Created"), ("Running", "Started"), ("Succeeded", "Succeed"),
    ]  # fmt: skip
    assert all(RFC3339.fullmatch(job[name]) for name in ("creationTime", "startTime", "endTime"))
    assert job["creationTime"] <= job["startTime"] <= job["endTime"]
    outputs = {output["name"]: output["value"] for output in job["outputs"]}
    assert (outputs["succeeded"], outputs["failed"], outputs["skipped"]) == ("3", "0", "0")
    report = json.loads(outputs["report"])
    assert all(f"changed {node}" in json.dumps(report) for node in mine)


def test_kubectl_argo_and_the_list_show_the_same_job(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    job_id = api.create(name="seen", inputs=inputs(addon("true"), nodes=[node]))
    job = api.finished(job_id)

    workflow = cluster.get("workflow", job_id, "-n", cluster.jobs)
    assert workflow["status"]["phase"] == "Succeeded"
    assert job_id in cluster.run("argo", "get", job_id, "-n", cluster.jobs)
    listed = api.client.get("/api/v1/opsjobs", params={"jobName": "SEEN", "limit": 1000}).json()
    item = next(item for item in listed["items"] if item["jobId"] == job_id)
    assert item == {name: job[name] for name in item}


def test_the_documents_addon_example_runs_as_it_is(cluster: Cluster, api: Api, two_nodes: list[str]) -> None:
    """Its workspace exists here with two nodes; its template is one that the chart ships."""
    workspace = "prod-cluster-ai-team"
    label = f"opsjob.io/workspace={workspace}"
    cluster.kubectl("create", "namespace", workspace, check=False)
    cluster.kubectl("label", "namespace", workspace, label, "--overwrite")
    cluster.kubectl("label", "node", *two_nodes, label, "--overwrite")
    try:
        job_id = api.create(**ADDON)
        job = api.finished(job_id)
    finally:
        cluster.kubectl("label", "node", *two_nodes, "opsjob.io/workspace-")
        cluster.kubectl("delete", "namespace", workspace, "--wait=false")
    assert job["phase"] == "Succeeded", job
    assert [node["name"] for node in job["plan"]["nodes"]] == two_nodes
    assert (job["workspaceId"], job["batchCount"], job["availableRatio"]) == (workspace, 2, 1.0)
    assert job["timeoutSecond"] == 1800
    assert job["ttlSecondsAfterFinished"] == 600
    assert job["excludedNodes"] == ["node-id1"]
