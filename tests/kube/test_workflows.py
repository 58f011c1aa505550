"""What becomes of a job's Workflow in a real cluster."""

import asyncio
import dataclasses
from typing import Any

import pytest

from service.domain.job import Job
from service.kube import manifest
from service.kube.client import Api, ApiError, KubeSettings
from service.kube.workflows import Workflows
from tests.e2e.live import Cluster, wait_for
from tests.kube.conftest import NOBODYS, WAITING_TEMPLATE
from tests.kube.jobs import a_job


@pytest.fixture
def job() -> Job:
    return a_job(WAITING_TEMPLATE)


def files_of(cluster: Cluster, settings: KubeSettings, job: Job) -> Any:
    return cluster.get("configmap", job.job_id, "-n", settings.jobs_namespace)


async def nobodys(api: Api, workflows: Workflows, settings: KubeSettings, job: Job, **changes: Any) -> None:
    """The job's Workflow in a state of the test's choice, which no controller changes."""
    made = manifest.workflow(job, settings)
    made["metadata"]["labels"] |= NOBODYS
    made["spec"] |= changes.get("spec", {})
    await api.create(workflows.workflows_path, {**made, "status": changes.get("status", {})})


async def test_creating_makes_the_workflow_and_the_files_it_owns(
    cluster: Cluster, settings: KubeSettings, workflows: Workflows, job: Job
) -> None:
    await workflows.create_workflow(job)
    created = await workflows.workflow(job.job_id)
    files = files_of(cluster, settings, job)
    assert created
    assert created["spec"]["workflowTemplateRef"] == {"name": WAITING_TEMPLATE}
    assert files["data"] == job.work["files"]
    assert files["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]


async def test_creating_again_changes_nothing(workflows: Workflows, job: Job) -> None:
    await workflows.create_workflow(job)
    first = await workflows.workflow(job.job_id)
    await workflows.create_workflow(job)
    second = await workflows.workflow(job.job_id)
    assert first
    assert second
    assert first["metadata"]["uid"] == second["metadata"]["uid"]


async def test_creating_at_the_same_time_makes_one(
    cluster: Cluster, settings: KubeSettings, workflows: Workflows, job: Job
) -> None:
    await asyncio.gather(*(workflows.create_workflow(job) for _ in range(5)))
    created = await workflows.workflow(job.job_id)
    assert created
    assert files_of(cluster, settings, job)["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]


async def test_what_was_cut_off_between_workflow_and_files_is_finished(
    cluster: Cluster, settings: KubeSettings, workflows: Workflows, job: Job
) -> None:
    await workflows.create_workflow(dataclasses.replace(job, work={**job.work, "files": {}}))
    assert files_of(cluster, settings, job) is None
    await workflows.create_workflow(job)
    assert files_of(cluster, settings, job)["data"] == job.work["files"]


async def test_files_of_an_earlier_workflow_are_not_taken_for_this_ones(
    cluster: Cluster, settings: KubeSettings, api: Api, workflows: Workflows, job: Job
) -> None:
    stale = manifest.files(job, "00000000-0000-0000-0000-000000000000", settings)
    assert stale
    stale["metadata"]["finalizers"] = []
    del stale["metadata"]["ownerReferences"]  # as when its owner went and the collector has not come yet
    await api.create(f"/api/v1/namespaces/{settings.jobs_namespace}/configmaps", stale | {"data": {"old": "old"}})
    await workflows.create_workflow(job)
    assert files_of(cluster, settings, job)["data"] == job.work["files"]


async def test_a_name_that_somebody_else_uses_is_not_taken(
    cluster: Cluster, settings: KubeSettings, workflows: Workflows, job: Job
) -> None:
    cluster.apply(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": job.job_id, "namespace": settings.jobs_namespace, "labels": NOBODYS},
            "spec": {"workflowTemplateRef": {"name": WAITING_TEMPLATE}},
        }
    )
    with pytest.raises(ApiError, match="is not this job's"):
        await workflows.create_workflow(job)


async def test_parameters_reach_the_cluster_as_they_are(workflows: Workflows) -> None:
    text = "{{workflow.name}} $(id) 'a' \"b\" \\ \n\t 升级 {{=1+1}}"
    job = a_job(WAITING_TEMPLATE, work={"parameters": {"nodes": text}}, job_name=text)
    await workflows.create_workflow(job)
    created = await workflows.workflow(job.job_id)
    assert created
    assert created["spec"]["arguments"]["parameters"] == [{"name": "nodes", "value": text}]


async def test_a_stop_ends_a_workflow_that_runs(
    cluster: Cluster, settings: KubeSettings, workflows: Workflows, job: Job
) -> None:
    await workflows.create_workflow(job)

    def phase() -> str:
        found = cluster.get("workflow", job.job_id, "-n", settings.jobs_namespace)
        return str(found.get("status", {}).get("phase", ""))

    wait_for("the Workflow to run", lambda: phase() == "Running")
    await workflows.stop_workflow(job.job_id, by="alice")
    wait_for("the Workflow to end", lambda: phase() == "Failed")
    stopped = await workflows.workflow(job.job_id)
    assert stopped
    assert stopped["spec"]["shutdown"] == "Stop"
    assert stopped["metadata"]["annotations"]["opsjob.io/stopped-by"] == "alice"


async def test_a_stop_ends_a_suspension(api: Api, settings: KubeSettings, workflows: Workflows, job: Job) -> None:
    await nobodys(api, workflows, settings, job, spec={"suspend": True}, status={"phase": "Running"})
    await workflows.stop_workflow(job.job_id, by="alice")
    stopped = await workflows.workflow(job.job_id)
    assert stopped
    assert stopped["spec"]["shutdown"] == "Stop"
    assert "suspend" not in stopped["spec"]


@pytest.mark.parametrize("status", [{}, {"phase": "Pending"}], ids=["untouched", "throttled"])
async def test_a_stop_terminates_what_has_not_begun(
    api: Api, settings: KubeSettings, workflows: Workflows, job: Job, status: dict[str, str]
) -> None:
    await nobodys(api, workflows, settings, job, status=status)
    await workflows.stop_workflow(job.job_id, by="alice")
    stopped = await workflows.workflow(job.job_id)
    assert stopped
    assert stopped["spec"]["shutdown"] == "Terminate"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Error"])
async def test_a_stop_changes_nothing_that_has_ended(
    api: Api, settings: KubeSettings, workflows: Workflows, job: Job, phase: str
) -> None:
    await nobodys(api, workflows, settings, job, status={"phase": phase})
    before = await workflows.workflow(job.job_id)
    await workflows.stop_workflow(job.job_id, by="alice")
    assert await workflows.workflow(job.job_id) == before


async def test_a_second_stop_changes_nothing(api: Api, settings: KubeSettings, workflows: Workflows, job: Job) -> None:
    await nobodys(api, workflows, settings, job, status={"phase": "Running"})
    await workflows.stop_workflow(job.job_id, by="alice")
    before = await workflows.workflow(job.job_id)
    await workflows.stop_workflow(job.job_id, by="bob")
    assert await workflows.workflow(job.job_id) == before


async def test_a_deleted_workflow_stays_until_its_finalizer_is_removed_and_takes_its_files_along(
    cluster: Cluster, settings: KubeSettings, workflows: Workflows, job: Job
) -> None:
    await workflows.create_workflow(job)
    await workflows.delete_workflow(job.job_id)
    held = await workflows.workflow(job.job_id)
    assert held
    assert "deletionTimestamp" in held["metadata"]
    assert files_of(cluster, settings, job) is not None
    await workflows.remove_finalizer(job.job_id)
    assert await workflows.workflow(job.job_id) is None
    wait_for("the files to be collected", lambda: files_of(cluster, settings, job) is None)


async def test_letting_go_takes_off_only_our_finalizer(
    api: Api, settings: KubeSettings, workflows: Workflows, job: Job
) -> None:
    await nobodys(api, workflows, settings, job)
    path = f"{workflows.workflows_path}/{job.job_id}"
    both = ["opsjob.io/record", "example.com/other"]
    await api.patch(path, {"metadata": {"finalizers": both}})
    await workflows.remove_finalizer(job.job_id)
    kept = await workflows.workflow(job.job_id)
    assert kept
    assert kept["metadata"]["finalizers"] == ["example.com/other"]


async def test_what_is_not_there_is_no_error(workflows: Workflows) -> None:
    assert await workflows.workflow("kubetest-never") is None
    await workflows.stop_workflow("kubetest-never", by="alice")
    await workflows.delete_workflow("kubetest-never")
    await workflows.remove_finalizer("kubetest-never")
