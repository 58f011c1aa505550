from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.live import Api, Cluster, inputs, wait_for

#: Long enough that only a stop can end it within a test.
FOR_EVER = "touch /run/opsjobs-e2e-begun; sleep 3000"


def begun(cluster: Cluster, api: Api, script: str, node: str, **more: Any) -> str:
    """A job whose script runs right now on a node that it cordoned."""
    cluster.on_host(node, "rm", "-f", "/run/opsjobs-e2e-begun")
    job_id = api.create(name="stopped", inputs=inputs(script, nodes=[node]), securityUpgrade=True, **more)
    wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("opsjobs-e2e-begun"))
    cluster.assert_cordoned_by(job_id, node)
    return job_id


def test_stop_ends_what_runs_and_the_job_failed_as_stopped(
    cluster: Cluster, api: Api, addon: Callable[..., str], idle_node: str
) -> None:
    job_id = begun(cluster, api, addon(FOR_EVER), idle_node)
    api.stop(job_id)

    job = api.finished(job_id)

    assert job["phase"] == "Failed"
    assert job["conditions"][-1]["reason"] == "Stopped"
    assert "sleep 3000" not in cluster.on_host(idle_node, "ps", "-eo", "args")
    cluster.assert_given_back(job_id, idle_node)

    api.stop(job_id)
    assert api.job(job_id) == job, "a final phase never changes"


def test_a_stop_leaves_the_cordon_of_a_person(
    cluster: Cluster, api: Api, addon: Callable[..., str], idle_node: str
) -> None:
    cluster.kubectl("cordon", idle_node)
    try:
        job_id = begun(cluster, api, addon(FOR_EVER), idle_node, isTolerateAll=True)
        api.stop(job_id)
        assert api.finished(job_id)["conditions"][-1]["reason"] == "Stopped"
        cluster.assert_given_back(job_id, idle_node, cordoned=True)
    finally:
        cluster.kubectl("uncordon", idle_node)


@pytest.mark.long  # make test stops one in the middle
def test_a_stop_before_anything_began_leaves_every_node_untouched(
    cluster: Cluster, api: Api, addon: Callable[..., str], two_nodes: list[str]
) -> None:
    job_id = api.create(name="early", inputs=inputs(addon("touch /run/opsjobs-e2e-early"), nodes=two_nodes))
    api.stop(job_id)

    job = api.finished(job_id)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert [cluster.lease_of(name) for name in two_nodes] == [None, None]
    assert not [name for name in two_nodes if "opsjobs-e2e-early" in cluster.on_host(name, "ls", "/run")]


def test_delete_removes_the_workflow_and_keeps_the_record(
    cluster: Cluster, api: Api, addon: Callable[..., str], idle_node: str
) -> None:
    job_id = begun(cluster, api, addon(FOR_EVER), idle_node)
    api.delete(job_id)

    wait_for("the Workflow to go", lambda: cluster.get("workflow", job_id, "-n", cluster.jobs) is None)
    job = api.finished(job_id)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert job["deletionTime"]
    cluster.assert_given_back(job_id, idle_node)

    def listed(**more: str) -> list[str]:
        answer = api.client.get("/api/v1/opsjobs", params={"limit": "1000", **more}).json()
        return [item["jobId"] for item in answer["items"]]

    assert job_id not in listed()
    assert job_id in listed(includeDeleted="true")
    api.delete(job_id)


@pytest.mark.long  # the verdict's own tests
def test_a_finished_job_keeps_its_verdict_when_it_is_stopped_and_deleted(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    job_id = api.create(name="done", inputs=inputs(addon("true"), nodes=[node]))
    before = api.finished(job_id)
    api.stop(job_id)
    assert api.job(job_id) == before
    api.delete(job_id)
    wait_for("the Workflow to go", lambda: cluster.get("workflow", job_id, "-n", cluster.jobs) is None)
    after = api.job(job_id)
    assert after["deletionTime"]
    assert {**after, "deletionTime": ""} == before


def test_a_workflow_deleted_by_hand_frees_its_node_and_fails_the_job(
    cluster: Cluster, api: Api, addon: Callable[..., str], idle_node: str
) -> None:
    job_id = begun(cluster, api, addon(FOR_EVER), idle_node)
    cluster.kubectl("delete", "workflow", job_id, "-n", cluster.jobs, "--wait=false")

    job = api.finished(job_id)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    wait_for("the Workflow to go", lambda: cluster.get("workflow", job_id, "-n", cluster.jobs) is None)
    cluster.assert_given_back(job_id, idle_node)
    api.until(job_id, "the deletion time", lambda job: job["deletionTime"])


@pytest.mark.long  # make test deletes one by hand
def test_ttl_removes_the_workflow_and_the_record_stays_listed(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    job_id = api.create(name="ttl", inputs=inputs(addon("true"), nodes=[node]), ttlSecondsAfterFinished=1)
    before = api.finished(job_id)
    wait_for("the Workflow to go", lambda: cluster.get("workflow", job_id, "-n", cluster.jobs) is None)
    after = api.until(job_id, "the deletion time", lambda job: job["deletionTime"])
    assert after["phase"] == before["phase"] == "Succeeded"
    listed = api.client.get("/api/v1/opsjobs", params={"jobName": "ttl", "limit": "1000"}).json()
    assert job_id in [item["jobId"] for item in listed["items"]]


def test_an_unknown_job_is_404(api: Api) -> None:
    for method, path in (("GET", ""), ("POST", "/stop"), ("DELETE", "")):
        answer = api.client.request(method, f"/api/v1/opsjobs/no-such-job-abc123{path}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert "no-such-job-abc123" in answer.json()["errorMessage"]
