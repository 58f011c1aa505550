"""What the reconciler makes of lists, of Workflows that Kubernetes refuses, and of those that no record knows."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.domain.job import Job, Phase
from service.jobs import reconcile
from service.jobs.ports import Records, RefusedByClusterError, UnavailableError, WorkflowEvent
from service.jobs.reconcile import Reconciler
from service.jobs.storing_output import OutputStoring
from tests.records_suite.example import a_job
from tests.unit.jobs.bucket import Bucket
from tests.unit.jobs.cluster import InMemory, running, until

QUOTA = RefusedByClusterError("exceeded quota: jobs")


async def known(records: Records, job_id: str) -> Job:
    found = await records.get(job_id)
    assert found is not None
    return found


async def reconciled(records: Records, cluster: InMemory) -> None:
    async def all_seen() -> bool:
        jobs = [await known(records, job_id) for job_id in cluster.workflows]
        return all(job.workflow_version == cluster.workflows[job.job_id]["metadata"]["resourceVersion"] for job in jobs)

    await until(all_seen, "the records do not show the Workflows")


async def many(records: Records, cluster: InMemory, count: int) -> list[str]:
    names = [f"job-{number:02}" for number in range(count)]
    for name in names:
        await records.add(a_job(name))
        cluster.has(name)
    return names


async def test_a_list_of_what_was_read_already_reads_nothing(records: Records, cluster: InMemory) -> None:
    names = await many(records, cluster, 20)
    reconciler = Reconciler(records, cluster.port, "prod")

    async def settled() -> bool:
        return len(reconciler._settled) == len(names)

    async with running(reconciler.run()):
        cluster.relist()
        await until(settled, "the list is not read")
        assert sorted(cluster.read) == names
        cluster.read.clear()
        cluster.relist()
        cluster.relist()
        await records.add(a_job("last"))
        cluster.has("last")
        cluster.relist()  # its only news is at its end
        await reconciled(records, cluster)
    assert cluster.read == ["last"]


async def test_what_a_job_still_asks_for_is_read_though_its_workflow_did_not_change(
    records: Records, cluster: InMemory
) -> None:
    await many(records, cluster, 1)
    reconciler = Reconciler(records, cluster.port, "prod")
    async with running(reconciler.run()):
        cluster.relist()
        await reconciled(records, cluster)
        await records.change("job-00", lambda job: replace(job, stop_requested=datetime.now(UTC)))
        reconciler.look_at("job-00")  # as housekeeping does with all that is unsettled

        async def stopped() -> bool:
            return "shutdown" in cluster.workflows["job-00"]["spec"]

        await until(stopped, "the stop is not carried out")


async def test_what_is_asked_of_a_workflow_is_asked_again_while_it_does_not_show_it(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading that left something to do is repeated at the next list, whatever the Workflow's version."""
    await many(records, cluster, 1)
    cluster.workflows["job-00"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    cluster.workflows["job-00"]["status"]["phase"] = "Failed"
    monkeypatch.setattr(reconcile, "REST", 0.01)
    async with running(Reconciler(records, cluster.port, "prod").run()):
        for times in (1, 2):
            cluster.relist()

            async def asked(times: int = times) -> bool:
                return len(cluster.let_go_of) >= times

            await until(asked, f"let go fewer than {times} times")


async def test_a_change_goes_ahead_of_a_long_list(records: Records, cluster: InMemory) -> None:
    names = await many(records, cluster, 60)
    cluster.answers.clear()
    async with running(Reconciler(records, cluster.port, "prod").run()):
        cluster.relist()

        async def busy() -> bool:
            return len(cluster.read) == reconcile.READERS

        await until(busy, "the list is not read")
        await records.add(a_job("new"))
        cluster.change("new")
        cluster.change(names[-1])  # it waits in the list already
        await cluster_drained(cluster)
        cluster.answers.set()
        await reconciled(records, cluster)
    ahead = cluster.read[reconcile.READERS : reconcile.READERS + 2]
    assert ahead == ["new", names[-1]]
    assert sorted(cluster.read) == sorted([*names, "new"])


async def cluster_drained(cluster: InMemory) -> None:
    async def drained() -> bool:
        return cluster._events.empty()

    await until(drained, "events are not taken")


async def test_a_job_that_a_list_lacks_is_begun(records: Records, cluster: InMemory) -> None:
    await records.add(a_job("begun"))
    async with running(Reconciler(records, cluster.port, "prod").run()):
        cluster.relist()
        await until(lambda: seen(records, "begun"), "its Workflow was not created")


async def test_a_job_that_a_list_lacks_and_that_was_there_is_over(records: Records, cluster: InMemory) -> None:
    (name,) = await many(records, cluster, 1)
    async with running(Reconciler(records, cluster.port, "prod").run()):
        cluster.relist()
        await reconciled(records, cluster)
        cluster.workflows.clear()
        cluster.relist()

        async def over() -> bool:
            return (await known(records, name)).workflow_gone

        await until(over, "it is not over")
    assert (await known(records, name)).phase is Phase.FAILED


async def seen(records: Records, job_id: str) -> bool:
    return (await known(records, job_id)).workflow_uid != ""


def ended(cluster: InMemory, job_id: str, *, seconds_ago: float, ttl: int | None) -> None:
    finished = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    workflow = cluster.has(job_id, phase="Succeeded", finishedAt=f"{finished:%Y-%m-%dT%H:%M:%SZ}")
    workflow["spec"] = {} if ttl is None else {"ttlStrategy": {"secondsAfterCompletion": ttl}}


async def reconciled_until(
    records: Records, cluster: InMemory, check: Callable[[], Awaitable[bool]], otherwise: str
) -> None:
    """Nothing changes after the first look: what happens later is the reconciler's own doing."""
    async with running(Reconciler(records, cluster.port, "prod").run()):
        cluster.relist()
        await until(check, otherwise)


class TestAWorkflowThatOutlivesItsTtl:
    @pytest.mark.parametrize(
        ("seconds_ago", "ttl", "goes"),
        [(100, 1, True), (100, 60, True), (100, 90, False), (10, 0, False), (100, 1000, False), (9999, None, False)],
    )
    async def test_is_deleted_by_us_when_argo_had_its_time(
        self, records: Records, cluster: InMemory, seconds_ago: float, ttl: int | None, *, goes: bool
    ) -> None:
        await records.add(a_job("old"))
        ended(cluster, "old", seconds_ago=seconds_ago, ttl=ttl)
        await Reconciler(records, cluster.port, "prod").reconcile("old")
        assert ("deletionTimestamp" in cluster.workflows["old"]["metadata"]) is goes
        assert cluster.let_go_of == []

    @pytest.mark.slow
    async def test_is_looked_at_again_when_its_time_is_over(
        self, records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing happens to it meanwhile, so nothing else would bring it to mind."""
        monkeypatch.setattr(reconcile, "OVERDUE", 1.5)
        await records.add(a_job("old"))
        ended(cluster, "old", seconds_ago=0, ttl=1)

        async def goes() -> bool:
            return "deletionTimestamp" in cluster.workflows["old"]["metadata"]

        await reconciled_until(records, cluster, goes, "it stays for ever")
        assert len(cluster.read) >= 2

    async def test_loses_its_finalizer_though_argo_deleted_it(self, records: Records, cluster: InMemory) -> None:
        await records.add(a_job("old"))
        ended(cluster, "old", seconds_ago=500, ttl=1)
        await cluster.delete_workflow("old")
        await Reconciler(records, cluster.port, "prod").reconcile("old")
        assert cluster.let_go_of == ["old"]


class TestAWorkflowWhoseOutputIsStored:
    async def test_keeps_its_pods_until_it_is(self, records: Records, cluster: InMemory) -> None:
        """They go with the Workflow; storing begins when it has completed, whether or not it is to go."""
        source: Any = cluster
        storing = OutputStoring(records, source, Bucket())
        reconciler = Reconciler(records, cluster.port, "prod", storing)
        await records.add(a_job("new"))
        ended(cluster, "new", seconds_ago=5, ttl=None)
        await reconciler.reconcile("new")
        await cluster.delete_workflow("new")
        await reconciler.reconcile("new")
        assert cluster.let_go_of == []

        async def goes() -> bool:
            return cluster.let_go_of == ["new"]

        async with running(reconciler.run()), running(storing.run()):
            await until(goes, "its Workflow is held for ever")
        assert storing.is_done("another") is False
        assert storing.is_done("new") is False, "what is known of it is kept though its Workflow is gone"

    async def test_that_runs_is_not_read(self, records: Records, cluster: InMemory) -> None:
        source: Any = cluster
        bucket = Bucket()
        storing = OutputStoring(records, source, bucket)
        await records.add(a_job("new"))
        cluster.has("new", phase="Running")
        async with running(storing.run()):
            await Reconciler(records, cluster.port, "prod", storing).reconcile("new")
            await asyncio.sleep(0.05)
        assert bucket.asked == []


def at_work(cluster: InMemory, job_id: str, *, seconds_ago: float, deadline: int | None, ended: bool = False) -> None:
    started = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    root = {"type": "Steps", "phase": "Running", "finishedAt": f"{datetime.now(UTC):%FT%TZ}" if ended else None}
    workflow = cluster.has(job_id, phase="Running", startedAt=f"{started:%FT%TZ}", nodes={job_id: root})
    workflow["spec"] = {} if deadline is None else {"activeDeadlineSeconds": deadline}


def reminded(cluster: InMemory, job_id: str) -> str:
    annotations = cluster.workflows[job_id]["metadata"].get("annotations") or {}
    return str(annotations.get("opsjob.io/reminded", ""))


class TestAWorkflowThatArgoDoesNotEndAtItsDeadline:
    @pytest.mark.parametrize(
        ("deadline", "ended", "reminds"),
        [(60, False, True), (90, False, False), (None, False, False), (60, True, False)],
    )
    async def test_is_brought_to_its_mind(
        self, records: Records, cluster: InMemory, deadline: int | None, *, ended: bool, reminds: bool
    ) -> None:
        """Not while it has its time, and not when only the clean-up is still to end."""
        await records.add(a_job("late"))
        at_work(cluster, "late", seconds_ago=100, deadline=deadline, ended=ended)
        await Reconciler(records, cluster.port, "prod").reconcile("late")
        assert bool(reminded(cluster, "late")) is reminds

    async def test_is_not_brought_to_it_all_the_time(self, records: Records, cluster: InMemory) -> None:
        """The reminder is a change itself, after which the Workflow is read again."""
        await records.add(a_job("late"))
        at_work(cluster, "late", seconds_ago=100, deadline=60)
        reconciler = Reconciler(records, cluster.port, "prod")
        await reconciler.reconcile("late")
        first = reminded(cluster, "late")
        await reconciler.reconcile("late")
        assert reminded(cluster, "late") == first
        just_before = datetime.now(UTC) - timedelta(seconds=reconcile.OVERDUE + 1)
        await cluster.remind_argo("late", just_before)
        await reconciler.reconcile("late")
        assert reminded(cluster, "late") > first

    async def test_is_looked_at_again_when_its_time_is_over(
        self, records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reconcile, "OVERDUE", 0.5)
        await records.add(a_job("late"))
        at_work(cluster, "late", seconds_ago=0, deadline=1)

        async def is_reminded() -> bool:
            return bool(reminded(cluster, "late"))

        await reconciled_until(records, cluster, is_reminded, "nobody looks at it any more")


async def test_a_surprise_while_projecting_does_not_end_it(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "AGAIN_AFTER_SURPRISE", 0.05)
    await many(records, cluster, 1)
    good, cluster.workflows["job-00"] = cluster.workflows["job-00"], {"metadata": {}}
    async with running(Reconciler(records, cluster.port, "prod").run()):
        cluster._events.put_nowait(WorkflowEvent("job-00", "uid-job-00", "1"))

        async def surprised() -> bool:
            return len(cluster.read) > 1

        await until(surprised, "it is not read again")
        cluster.workflows["job-00"] = good
        await reconciled(records, cluster)


class TestRefused:
    async def test_a_workflow_that_kubernetes_refuses_is_said_so_once_and_tried_again(
        self, records: Records, cluster: InMemory
    ) -> None:
        await records.add(a_job("big"))
        cluster.creation = QUOTA
        reconciler = Reconciler(records, cluster.port, "prod")
        for _ in range(2):
            await reconciler.reconcile("big")
            job = await known(records, "big")
            assert (job.phase, [line.reason for line in job.conditions]) == (Phase.PENDING, ["Created", "Waiting"])
            assert job.conditions[-1].message == "exceeded quota: jobs"
            assert list(await records.unsettled("prod")) == ["big"]
        cluster.creation = None
        await reconciler.reconcile("big")
        assert (await known(records, "big")).refused == ""
        assert "big" in cluster.workflows

    async def test_another_refusal_takes_the_place_of_the_first(self, records: Records, cluster: InMemory) -> None:
        await records.add(a_job("big"))
        for sentence in ("one", "two"):
            cluster.creation = RefusedByClusterError(sentence)
            await Reconciler(records, cluster.port, "prod").reconcile("big")
        assert [line.message for line in (await known(records, "big")).conditions] == ["job created", "two"]

    @pytest.mark.parametrize("refused_at_first", [True, False])
    async def test_a_workflow_whose_files_are_refused_is_seen_all_the_same(
        self, records: Records, cluster: InMemory, *, refused_at_first: bool
    ) -> None:
        await records.add(a_job("big"))
        cluster.has("big", phase="Running", message="")
        cluster.creation = QUOTA
        reconciler = Reconciler(records, cluster.port, "prod")
        await reconciler.reconcile("big")
        job = await known(records, "big")
        assert job.workflow_uid == "uid-big"
        assert job.conditions[-1].message == "exceeded quota: jobs"
        assert list(await records.unsettled("prod")) == ["big"]  # the files are still to come
        if refused_at_first:
            cluster.creation = None
            await reconciler.reconcile("big")
            assert (await known(records, "big")).refused == ""
            assert list(await records.unsettled("prod")) == []
        cluster.has("big", phase="Failed", message="stopped", finishedAt="2026-05-01T13:00:00Z")
        cluster.workflows["big"]["metadata"]["deletionTimestamp"] = "2026-05-01T13:00:01Z"
        await reconciler.reconcile("big")
        assert (await known(records, "big")).phase.final
        assert cluster.let_go_of == ["big"]

    async def test_a_stop_ends_what_is_refused(self, records: Records, cluster: InMemory) -> None:
        await records.add(a_job("big"))
        cluster.creation = QUOTA
        reconciler = Reconciler(records, cluster.port, "prod")
        await reconciler.reconcile("big")
        await records.change("big", lambda job: replace(job, stop_requested=datetime.now(UTC)))
        await reconciler.reconcile("big")
        job = await known(records, "big")
        assert (job.phase, job.conditions[-1].reason) == (Phase.FAILED, "Stopped")
        assert list(await records.unsettled("prod")) == []

    async def test_an_apiserver_that_is_away_is_no_refusal(self, records: Records, cluster: InMemory) -> None:
        await records.add(a_job("big"))
        cluster.creation = UnavailableError("away")
        with pytest.raises(UnavailableError):
            await Reconciler(records, cluster.port, "prod").reconcile("big")
        assert await known(records, "big") == a_job("big")


class TestWithoutARecord:
    @pytest.mark.parametrize(
        ("status", "deleting", "goes"),
        [
            ({"phase": "Succeeded"}, True, True),
            ({"phase": "Error"}, True, True),
            ({"phase": "Running"}, True, False),
            ({"phase": "Succeeded"}, False, False),
        ],
    )
    async def test_only_what_is_over_and_deleted_loses_its_finalizer(
        self, records: Records, cluster: InMemory, status: dict[str, Any], *, deleting: bool, goes: bool
    ) -> None:
        cluster.has("stranger", **status)
        if deleting:
            await cluster.delete_workflow("stranger")
        await Reconciler(records, cluster.port, "prod").reconcile("stranger")
        assert cluster.let_go_of == (["stranger"] if goes else [])
        assert await records.get("stranger") is None
