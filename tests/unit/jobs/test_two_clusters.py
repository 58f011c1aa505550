"""Two clusters on one database: each reconciles its own jobs, and leaves the other's alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.domain.job import Job, Phase
from service.jobs import housekeeping
from service.jobs.housekeeping import Housekeeping
from service.jobs.ports import Records
from service.jobs.reconcile import Reconciler
from tests.records_suite.example import a_job
from tests.unit.jobs.cluster import InMemory, running, until

LONG_AGO = datetime.now(UTC) - timedelta(days=400)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "ROUND", 0.02)


async def test_each_runs_its_own_and_leaves_the_others_alone(records: Records) -> None:
    """Each created the other's accepted jobs in its own cluster, and ended its running ones as removed from outside."""
    here, there = InMemory(), InMemory()
    jobs: list[Job] = []
    for cluster_id, cluster in (("prod", here), ("dev", there)):
        accepted = a_job(f"{cluster_id}-accepted", cluster_id=cluster_id)
        working = a_job(
            f"{cluster_id}-works", cluster_id=cluster_id, phase=Phase.RUNNING, workflow_uid=f"uid-{cluster_id}-works"
        )
        stopped = replace(working, job_id=f"{cluster_id}-stopped", stop_requested=datetime.now(UTC))
        ended = replace(working, job_id=f"{cluster_id}-ended", phase=Phase.SUCCEEDED, ended=LONG_AGO)
        old = replace(ended, job_id=f"{cluster_id}-old", workflow_gone=True)
        for job in (accepted, working, stopped, ended, old):
            await records.add(job)
            jobs.append(job)
        for job in (working, stopped, ended):
            cluster.has(job.job_id, phase="Running")
    # A mark that another cluster's job left on a node of that name is that cluster's.
    here.locked = {"node-a": "prod-ended", "node-b": "dev-ended"}
    before = {job.job_id: job for job in jobs}

    reconciler = Reconciler(records, here.port, "prod")
    housekeeper = Housekeeping(records, here.port, reconciler, lost_node_seconds=300, retention_days=90)

    async def done() -> bool:
        forgotten = await records.get("prod-old") is None
        return forgotten and "prod-accepted" in here.workflows and "node-a" not in here.locked

    async with running(reconciler.run()), running(housekeeper.run()):
        here.relist()
        await until(done, "this cluster's jobs are not looked after")
        await until(lambda: is_stopped(here), "this cluster's job is not stopped")
    assert {job_id for job_id in here.workflows if job_id.startswith("dev-")} == set()
    assert here.locked == {"node-b": "dev-ended"}
    for job_id, job in before.items():
        if job_id.startswith("dev-"):
            assert await records.get(job_id) == job


async def is_stopped(cluster: InMemory) -> bool:
    return "shutdown" in cluster.workflows["prod-stopped"]["spec"]


@pytest.mark.parametrize("phase", ["Running", "Succeeded"])
async def test_a_workflow_of_that_name_changes_no_record_of_another_cluster(
    records: Records, cluster: InMemory, phase: str
) -> None:
    """As a copy of that cluster's objects would have it."""
    foreign = a_job("theirs", cluster_id="dev", workflow_uid="uid-theirs")
    await records.add(foreign)
    cluster.has("theirs", phase=phase, finishedAt="2026-05-01T13:00:00Z")
    await cluster.delete_workflow("theirs")
    reconciler = Reconciler(records, cluster.port, "prod")
    await reconciler.reconcile("theirs")
    del cluster.workflows["theirs"]
    await reconciler.reconcile("theirs")
    assert await records.get("theirs") == foreign
    assert cluster.let_go_of == []
