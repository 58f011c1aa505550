"""What the service says, and does, of a Workflow that Argo leaves alone; by the apiserver's clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.domain.job import Job, Phase
from service.jobs import reconcile, stop_and_delete
from service.jobs.ports import Records
from service.jobs.reconcile import Reconciler
from tests.records_suite.example import a_job
from tests.unit.jobs.cluster import InMemory, running, until


async def known(records: Records, job_id: str) -> Job:
    found = await records.get(job_id)
    assert found is not None
    return found


def new_workflow(cluster: InMemory, job_id: str, *, seconds_ago: float, **status: Any) -> None:
    created = cluster.now() - timedelta(seconds=seconds_ago)
    cluster.has(job_id, **status)["metadata"]["creationTimestamp"] = f"{created:%FT%TZ}"


def suspended(cluster: InMemory, job_id: str, *, seconds_ago: float, deadline: int | None = 60) -> None:
    started = cluster.now() - timedelta(seconds=seconds_ago)
    workflow = cluster.has(job_id, phase="Running", startedAt=f"{started:%FT%TZ}", nodes={})
    workflow["spec"] = {"suspend": True} | ({} if deadline is None else {"activeDeadlineSeconds": deadline})


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(minutes=20), timedelta(minutes=-20)])
class TestAWorkflowThatArgoDoesNotPickUp:
    @pytest.mark.parametrize(("seconds_ago", "said"), [(10, False), (40, True)])
    async def test_is_pending_with_a_word(
        self, records: Records, cluster: InMemory, seconds_ago: float, ahead: timedelta, *, said: bool
    ) -> None:
        cluster.clock_ahead = ahead
        await records.add(a_job("new"))
        new_workflow(cluster, "new", seconds_ago=seconds_ago)
        await Reconciler(records, cluster.port, "prod").reconcile("new")
        job = await known(records, "new")
        assert job.phase is Phase.PENDING
        assert any("has not picked up Workflow new" in line.message for line in job.conditions) is said

    @pytest.mark.parametrize("status", [{"phase": "Running"}, {"phase": "Pending", "message": "throttled"}])
    async def test_one_that_it_did_pick_up_is_not_spoken_of(
        self, records: Records, cluster: InMemory, status: dict[str, str], ahead: timedelta
    ) -> None:
        cluster.clock_ahead = ahead
        await records.add(a_job("new"))
        new_workflow(cluster, "new", seconds_ago=1000, **status)
        await Reconciler(records, cluster.port, "prod").reconcile("new")
        assert "picked up" not in str((await known(records, "new")).conditions)


async def test_that_is_said_though_nothing_happens_to_it_any_more(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.domain.phase.PICKED_UP_WITHIN", 1)
    monkeypatch.setattr(reconcile, "PICKED_UP_WITHIN", 1)
    await records.add(a_job("new"))
    new_workflow(cluster, "new", seconds_ago=0)

    async def said() -> bool:
        return "has not picked up" in str((await known(records, "new")).conditions)

    async with running(Reconciler(records, cluster.port, "prod").run()):
        cluster.relist()
        await until(said, "the job is Pending without a word")


@pytest.mark.parametrize("ahead", [timedelta(), timedelta(minutes=20), timedelta(minutes=-20)])
class TestASuspendedWorkflow:
    @pytest.mark.parametrize(("deadline", "ends"), [(60, True), (90, False), (None, False)])
    async def test_is_ended_at_its_deadline_by_the_service(
        self, records: Records, cluster: InMemory, deadline: int | None, ahead: timedelta, *, ends: bool
    ) -> None:
        """Argo ends its pods then, and never the Workflow."""
        cluster.clock_ahead = ahead
        await records.add(a_job("late"))
        suspended(cluster, "late", seconds_ago=100, deadline=deadline)
        await Reconciler(records, cluster.port, "prod").reconcile("late")
        assert (cluster.workflows["late"]["spec"].get("shutdown") == "Stop") is ends

    async def test_is_said_to_be_suspended(self, records: Records, cluster: InMemory, ahead: timedelta) -> None:
        cluster.clock_ahead = ahead
        await records.add(a_job("held"))
        suspended(cluster, "held", seconds_ago=5)
        await Reconciler(records, cluster.port, "prod").reconcile("held")
        assert "is suspended in Argo" in (await known(records, "held")).conditions[-1].message

    async def test_timed_out_and_was_not_stopped(self, records: Records, cluster: InMemory, ahead: timedelta) -> None:
        cluster.clock_ahead = ahead
        await records.add(a_job("late"))
        suspended(cluster, "late", seconds_ago=100)
        reconciler = Reconciler(records, cluster.port, "prod")
        await reconciler.reconcile("late")
        ended, workflow = cluster.now(), cluster.workflows["late"]
        cluster.has("late", **workflow["status"] | {"phase": "Failed", "finishedAt": f"{ended:%FT%TZ}"})
        cluster.workflows["late"]["spec"] = workflow["spec"]
        cluster.workflows["late"]["metadata"]["annotations"] = workflow["metadata"]["annotations"]
        await reconciler.reconcile("late")
        last = (await known(records, "late")).conditions[-1]
        assert (last.type, last.reason) == (Phase.FAILED, "Timeout")
        assert "the job's timeout of 60 s passed" in last.message


async def test_a_stop_is_noted_by_the_apiservers_clock(records: Records, cluster: InMemory) -> None:
    """It is compared with when Argo says that the Workflow ended."""
    cluster.clock_ahead = timedelta(minutes=20)
    cluster.has("job", phase="Running")
    await records.add(a_job("job", workflow_uid="uid-job"))
    await stop_and_delete.stop(records, cluster.port, "job", by="opsjobs")
    requested = (await known(records, "job")).stop_requested
    assert requested is not None
    assert requested - datetime.now(UTC) > timedelta(minutes=19)
