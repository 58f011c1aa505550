"""Housekeeping's round: what is begun is finished, what is left behind is put back, and one failure is only its own."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.domain.job import Job, Phase
from service.domain.output_index import OutputIndex
from service.jobs import housekeeping
from service.jobs.housekeeping import Housekeeping
from service.jobs.ports import Records, UnavailableError
from service.jobs.reconcile import Reconciler
from service.jobs.storing_output import OutputStoring
from tests.records_suite.auditing import asked, line
from tests.records_suite.example import a_job
from tests.unit.jobs.bucket import Bucket
from tests.unit.jobs.cluster import InMemory, running, until

NOW = datetime.now(UTC)


def housekeeper(
    records: Records, cluster: InMemory, *, retention_days: int | None = 0, storing: OutputStoring | None = None
) -> tuple[Housekeeping, Reconciler]:
    reconciler = Reconciler(records, cluster.port, "prod")
    made = Housekeeping(
        records, cluster.port, reconciler, lost_node_seconds=300, retention_days=retention_days, storing=storing
    )
    return made, reconciler


async def rounds_until(housekeeper: Housekeeping, what: Callable[[], Awaitable[bool]]) -> None:
    async with running(housekeeper.run()):
        await until(what, "housekeeping does not do it")


def ended(job_id: str, *, days_ago: float = 1, gone: bool = True) -> Job:
    at = NOW - timedelta(days=days_ago)
    return a_job(job_id, created=at, ended=at, phase=Phase.SUCCEEDED, workflow_uid="uid", workflow_gone=gone)


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "ROUND", 0.02)


async def test_what_a_dead_submission_left_is_begun(records: Records, cluster: InMemory) -> None:
    await records.add(a_job("accepted"))
    made, reconciler = housekeeper(records, cluster)

    async def begun() -> bool:
        return "accepted" in cluster.workflows

    async with running(reconciler.run()):
        await rounds_until(made, begun)


async def test_a_stop_that_met_an_absent_apiserver_is_carried_out(records: Records, cluster: InMemory) -> None:
    await records.add(a_job("stopped", workflow_uid="uid-stopped", stop_requested=NOW))
    cluster.has("stopped", phase="Running")
    made, reconciler = housekeeper(records, cluster)

    async def stopped() -> bool:
        return "shutdown" in cluster.workflows["stopped"]["spec"]

    async with running(reconciler.run()):
        await rounds_until(made, stopped)


async def test_nodes_of_jobs_that_ended_are_freed_and_no_others(records: Records, cluster: InMemory) -> None:
    for job in (ended("ended"), a_job("pending"), a_job("running", phase=Phase.RUNNING)):
        await records.add(job)
    kept = {"node-b": "pending", "node-c": "running", "node-d": "of-another-installation"}
    cluster.locked = {"node-a": "ended", **kept}

    await housekeeper(records, cluster)[0]._restore_nodes()
    assert cluster.locked == kept


async def test_what_else_jobs_have_is_freed_and_what_a_job_has_that_nothing_knows(
    records: Records, cluster: InMemory
) -> None:
    """The store was lost, or is an older one: of no step of another job may it depend that nodes are free again."""
    for job in (ended("ended"), a_job("pending"), ended("there", gone=False)):
        await records.add(job)
    cluster.has("unknown")
    cluster.locked = {"node-a": "lost", "node-b": "unknown", "node-c": "pending"}
    cluster.other_leases = {"turn": "ended", "export-x": "lost", "export-y": "unknown", "export-z": "pending"}

    await housekeeper(records, cluster)[0]._free_leases()
    assert cluster.locked == {"node-b": "unknown", "node-c": "pending"}
    assert cluster.other_leases == {"export-y": "unknown", "export-z": "pending"}


async def test_a_node_on_which_the_work_goes_on_stays_locked_and_no_record_is_read_whole(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    await records.add(ended("ended"))
    cluster.locked, cluster.at_work = {"node-a": "ended", "node-b": "ended"}, {"node-a": "its script runs on"}

    async def whole(job_id: str) -> Job | None:
        raise AssertionError(job_id)

    monkeypatch.setattr(records, "get", whole)
    await housekeeper(records, cluster)[0]._restore_nodes()
    assert cluster.locked == {"node-a": "ended"}
    cluster.at_work.clear()
    await housekeeper(records, cluster)[0]._restore_nodes()
    assert cluster.locked == {}


async def test_what_checks_had_goes_with_the_jobs_workflow(records: Records, cluster: InMemory) -> None:
    for job in (ended("gone"), ended("there", gone=False), a_job("running", phase=Phase.RUNNING)):
        await records.add(job)
    cluster.checks = {"gone", "there", "running", "forgotten"}
    await housekeeper(records, cluster)[0]._drop_checks()
    assert cluster.checks == {"there", "running"}


async def test_a_node_that_cannot_be_freed_does_not_hold_up_the_next(records: Records, cluster: InMemory) -> None:
    await records.add(ended("ended"))
    cluster.locked = {"node-a": "ended", "node-b": "ended", "node-c": "ended"}
    cluster.stuck = {"node-a"}

    async def others_freed() -> bool:
        return cluster.locked == {"node-a": "ended"}

    await rounds_until(housekeeper(records, cluster)[0], others_freed)
    cluster.stuck.clear()

    async def all_freed() -> bool:
        return not cluster.locked

    await rounds_until(housekeeper(records, cluster)[0], all_freed)


async def test_secrets_without_a_job_go_and_those_of_jobs_to_come_stay(records: Records, cluster: InMemory) -> None:
    await records.add(a_job("to-come"))
    await records.add(ended("gone"))
    cluster.secrets = dict.fromkeys(("stuck", "never-accepted", "to-come", "gone"), True)
    cluster.stuck = {"stuck"}

    async def dropped() -> bool:
        return set(cluster.secrets) == {"stuck", "to-come"}

    await rounds_until(housekeeper(records, cluster)[0], dropped)


@pytest.mark.parametrize(
    ("days", "age", "kept"),
    [(0, 400, {"old", "young", "live"}), (30, 31, {"young", "live"}), (None, 91, {"young", "live"})],
)
async def test_records_are_kept_for_so_many_days_after_the_end(
    records: Records, cluster: InMemory, days: int | None, age: int, kept: set[str]
) -> None:
    """In a store that this version began 90 days are the default."""
    jobs = (ended("old", days_ago=age), ended("young", days_ago=age - 2), ended("live", days_ago=age, gone=False))
    for job in jobs:
        await records.add(job)
    await housekeeper(records, cluster, retention_days=days)[0]._forget()
    assert {job.job_id for job in jobs if await records.get(job.job_id)} == kept


async def test_a_store_of_before_drops_nothing_unasked_and_says_how_many_it_would(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def of_before() -> bool:
        return False

    monkeypatch.setattr(records, "drops_by_default", of_before)
    for number in range(3):
        await records.add(ended(f"old-{number}", days_ago=100))
    await records.add(ended("young"))
    made, _ = housekeeper(records, cluster, retention_days=None)
    with capture_logs() as logged:
        await made._forget()
        await made._forget()  # it asks once a day
    (asked,) = [line for line in logged if line["log_level"] == "warning"]
    assert (asked["count"], "database.retentionDays" in asked["remedy"]) == (3, True)
    assert await records.get("old-0") is not None


async def test_texts_that_no_record_names_are_dropped_some_time_later(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []

    async def drop(unused_since: datetime) -> int:
        asked.append(unused_since)
        return 1

    monkeypatch.setattr(records, "drop_unused_texts", drop)
    made, _ = housekeeper(records, cluster)
    await made._drop_texts()
    await made._drop_texts()  # once an hour
    (since,) = asked
    assert timedelta(minutes=50) < datetime.now(UTC) - since < timedelta(minutes=70)


async def test_a_duty_that_fails_does_not_keep_the_others_from_being_done(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise UnavailableError("the apiserver is away")

    async def broken(*_: object) -> None:
        raise RuntimeError("a fault of its own")

    monkeypatch.setattr(cluster, "holders", away)
    monkeypatch.setattr(cluster, "end_stuck_pods", broken)
    await records.add(ended("old", days_ago=31))

    async def forgotten() -> bool:
        return await records.get("old") is None

    await rounds_until(housekeeper(records, cluster, retention_days=30)[0], forgotten)


async def test_a_round_is_repeated(records: Records, cluster: InMemory) -> None:
    await records.add(replace(a_job("late"), phase=Phase.RUNNING, workflow_uid="uid"))
    cluster.locked = {"node-a": "late"}
    made, _ = housekeeper(records, cluster)

    async def freed() -> bool:
        await records.change("late", lambda job: replace(job, phase=Phase.FAILED))
        return not cluster.locked

    await rounds_until(made, freed)


async def test_what_is_stored_of_a_job_s_output_goes_with_its_record(records: Records, cluster: InMemory) -> None:
    index = OutputIndex((), (), 1).to_json()
    bucket = Bucket({f"output/{job}/{name}": index for job in ("old", "young") for name in ("0.gz", "index.json")})
    source: Any = cluster
    for job in (ended("old", days_ago=9), ended("left-nothing", days_ago=9), ended("young")):
        await records.add(job)
    made, _ = housekeeper(records, cluster, retention_days=7, storing=OutputStoring(records, source, bucket))

    bucket.away = True
    with pytest.raises(UnavailableError):
        await made._forget()
    assert await records.get("old")
    bucket.away, bucket.read_only = False, True
    with pytest.raises(UnavailableError):
        await made._forget()
    assert await records.get("old")
    bucket.read_only = False
    await made._forget()
    assert sorted(bucket.objects) == ["output/young/0.gz", "output/young/index.json"]
    assert [await records.get(job) is None for job in ("old", "left-nothing", "young")] == [True, True, False]
    # Once more than the index knows: a try to store that ended early may have left it.
    looked_for = ["GET output/old/index.json", "GET output/old/1.gz"]
    assert bucket.asked[-4:] == [*looked_for, "DELETE output/old/0.gz", "DELETE output/old/index.json"]


@pytest.mark.parametrize(("days", "left"), [(30, ["new"]), (0, ["new", "old"])])
async def test_old_audit_lines_are_dropped_where_the_chart_says_for_how_long_to_keep_them(
    records: Records, cluster: InMemory, days: int, left: list[str]
) -> None:
    old = line(user_name="old", at=NOW - timedelta(days=31))
    await records.note([old, line(user_name="new", at=NOW - timedelta(days=29))])
    made = Housekeeping(
        records,
        cluster.port,
        Reconciler(records, cluster.port, "prod"),
        lost_node_seconds=300,
        retention_days=0,
        audit_retention_days=days,
    )
    await made._drop_audit_lines()
    page = await records.audit_page(asked(since=NOW - timedelta(days=99), until=NOW))
    assert [json.loads(item)["userName"] for item in page.items] == left
