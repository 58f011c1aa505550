from collections.abc import Callable

from tests.e2e.live import Api, Cluster, inputs, wait_for

#: Long enough that only a stop can end it within a test.
FOR_EVER = "touch /run/opsjobs-e2e-begun; sleep 3000"


def begun(cluster: Cluster, api: Api, addon: Callable[..., str]) -> tuple[str, str]:
    """A job whose script runs on a node right now."""
    node = cluster.nodes()[0]
    cluster.on_host(node, "rm", "-f", "/run/opsjobs-e2e-begun")
    job_id = api.create(name="stopped", inputs=inputs(addon(FOR_EVER), nodes=[node]))
    wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("opsjobs-e2e-begun"))
    return job_id, node


def test_stop_ends_what_runs_and_the_job_failed_as_stopped(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    job_id, node = begun(cluster, api, addon)
    api.stop(job_id)

    job = api.finished(job_id)

    assert job["phase"] == "Failed"
    assert job["conditions"][-1]["reason"] == "Stopped"
    assert "sleep 3000" not in cluster.on_host(node, "ps", "-eo", "args")
    assert cluster.lease_of(node) is None
    assert cluster.cordon_of(node) == (False, {})
    assert all(pod["status"]["phase"] in ("Succeeded", "Failed") for pod in cluster.step_pods(job_id))

    api.stop(job_id)
    assert api.job(job_id) == job, "a final phase never changes"


def test_a_stop_before_anything_began_leaves_every_node_untouched(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    nodes = cluster.nodes()[:3]
    job_id = api.create(name="early", inputs=inputs(addon("touch /run/opsjobs-e2e-early"), nodes=nodes))
    api.stop(job_id)

    job = api.finished(job_id)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert cluster.lease_of(nodes[0]) is None


def test_delete_removes_the_workflow_and_keeps_the_record(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    job_id, node = begun(cluster, api, addon)
    api.delete(job_id)

    wait_for("the Workflow to go", lambda: cluster.get("workflow", job_id, "-n", cluster.jobs) is None)
    job = api.finished(job_id)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert job["deletionTime"]
    assert cluster.lease_of(node) is None

    def listed(**more: str) -> list[str]:
        answer = api.client.get("/api/v1/opsjobs", params={"limit": "1000", **more}).json()
        return [item["jobId"] for item in answer["items"]]

    assert job_id not in listed()
    assert job_id in listed(includeDeleted="true")
    api.delete(job_id)


def test_a_finished_job_keeps_its_verdict_when_it_is_stopped_and_deleted(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    job_id = api.create(name="done", inputs=inputs(addon("true"), nodes=cluster.nodes()[:1]))
    before = api.finished(job_id)
    api.stop(job_id)
    assert api.job(job_id) == before
    api.delete(job_id)
    wait_for("the Workflow to go", lambda: cluster.get("workflow", job_id, "-n", cluster.jobs) is None)
    after = api.job(job_id)
    assert after["deletionTime"]
    assert {**after, "deletionTime": ""} == before


def test_a_workflow_deleted_by_hand_frees_its_node_and_fails_the_job(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    job_id, node = begun(cluster, api, addon)
    cluster.kubectl("delete", "workflow", job_id, "-n", cluster.jobs, "--wait=false")

    job = api.finished(job_id)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    wait_for("the Workflow to go", lambda: cluster.get("workflow", job_id, "-n", cluster.jobs) is None)
    assert cluster.lease_of(node) is None
    api.until(job_id, "the deletion time", lambda job: job["deletionTime"])


def test_ttl_removes_the_workflow_and_the_record_stays_listed(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    job_id = api.create(name="ttl", inputs=inputs(addon("true"), nodes=cluster.nodes()[:1]), ttlSecondsAfterFinished=1)
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
