"""What the leader shows of its cluster, and that the other replicas show nothing of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from service.domain.ended_counts import Count, Counted
from service.domain.job import Condition, JobType, NodePhase, Phase, Plan, PlannedNode
from service.jobs import leader_metrics
from service.jobs.ended_families import ended_families
from service.jobs.leader_metrics import LeaderMetrics
from service.jobs.monitoring import NodeCensus
from service.jobs.ports import Records, UnavailableError
from service.jobs.reconcile import Reconciler
from service.metrics import RECONCILER_ERRORS
from tests.records_suite.example import a_job
from tests.unit.jobs.cluster import InMemory, running, until
from workflow_templates.protocol.freeze import Freeze

ROLL = "roll-abc123"


def shown(metrics: LeaderMetrics) -> dict[str, float]:
    """Each series as Prometheus reads it, by how it is written."""
    registry = CollectorRegistry()
    registry.register(metrics)
    return {
        "{}{}".format(one.name, sorted(one.labels.values()) or ""): one.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for one in family.samples
    }


async def test_a_replica_that_does_not_lead_shows_nothing(records: Records, cluster: InMemory) -> None:
    metrics = LeaderMetrics(records, cluster.port, "prod")
    assert shown(metrics) == {}
    with metrics.leading(Reconciler(records, cluster.port, "prod")):
        found = shown(metrics)
    assert found["opsjobs_reconciler_queue_length"] == 0
    assert "opsjobs_frozen" not in found, "nothing is known of it yet"
    assert shown(metrics) == {}


async def test_what_the_store_and_the_cluster_say(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leader_metrics, "PERIOD", 0.02)
    now = datetime.now(UTC)
    await records.add(a_job(ROLL, type=JobType.REBOOT, created=now - timedelta(minutes=5)))
    await records.add(a_job("over-abc123", type=JobType.REBOOT))
    ended = Condition(Phase.FAILED, "Timeout", "", now)
    nodes = (PlannedNode("a", NodePhase.SUCCEEDED, start=now - timedelta(seconds=100), end=now),)
    await records.change(
        "over-abc123",
        lambda job: replace(
            job,
            phase=Phase.FAILED,
            started=now - timedelta(seconds=110),
            ended=now,
            conditions=(ended,),
            plan=Plan(nodes),
        ),
    )
    cluster.frozen = Freeze("anna", "storage", (now - timedelta(hours=1)).isoformat())
    cluster.census = NodeCensus(locked=2, oldest_lock=now - timedelta(days=2), cordoned=1, left_cordoned=3)
    metrics = LeaderMetrics(records, cluster.port, "prod")
    reconciler = Reconciler(records, cluster.port, "prod")
    with metrics.leading(reconciler):
        async with running(metrics.run()):
            await until(lambda: _holds("opsjobs_frozen" in shown(metrics)), "nothing was read")
        found = shown(metrics)
    expected = {
        "opsjobs_jobs['Pending', 'reboot']": 1,
        "opsjobs_jobs['Running', 'reboot']": 0,
        "opsjobs_jobs_ended_total['Failed', 'Timeout', 'reboot']": 1,
        "opsjobs_jobs_ended_total['Error', 'Failed', 'addon']": 0,
        "opsjobs_nodes_ended_total['reboot', 'succeeded']": 1,
        "opsjobs_nodes_ended_total['addon', 'failed']": 0,
        "opsjobs_job_duration_seconds_sum['reboot']": 110,
        "opsjobs_job_duration_seconds_count['reboot']": 1,
        "opsjobs_job_duration_seconds_bucket['60', 'reboot']": 0,
        "opsjobs_job_duration_seconds_bucket['120', 'reboot']": 1,
        "opsjobs_job_duration_seconds_bucket['+Inf', 'reboot']": 1,
        "opsjobs_reboot_seconds_sum": 100,
        "opsjobs_node_locks": 2,
        "opsjobs_nodes_cordoned": 1,
        "opsjobs_nodes_left_cordoned": 3,
        "opsjobs_frozen": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["opsjobs_frozen_seconds"] == pytest.approx(3600, abs=60)
    assert found["opsjobs_oldest_node_lock_seconds"] == pytest.approx(172_800, abs=60)


class Flaky:
    """A store that answers once."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault
        self.asked = 0

    async def unfinished_counts(self, _cluster_id: str) -> dict[tuple[str, str], int]:
        self.asked += 1
        if self.asked > 1:
            raise self.fault
        return {("addon", "Pending"): 7}

    async def ended_counts(self, _cluster_id: str) -> dict[Count, int]:
        return {}


@pytest.mark.parametrize("fault", [UnavailableError("the store is away"), ValueError("a row that is not understood")])
async def test_what_was_read_stays_while_the_store_is_away_or_not_understood(
    records: Records, cluster: InMemory, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(leader_metrics, "PERIOD", 0.02)
    store = Flaky(fault)
    metrics = LeaderMetrics(cast("Records", store), cluster.port, "prod")
    with metrics.leading(Reconciler(records, cluster.port, "prod")):
        async with running(metrics.run()):
            await until(lambda: _holds(store.asked > 2), "a failure ended the readings")
        assert shown(metrics)["opsjobs_jobs['Pending', 'addon']"] == 7


async def test_a_bucket_of_the_release_before_is_counted_in_the_next() -> None:
    """Buckets may change; what was counted in one that is gone must not be lost, or a counter goes down."""
    known = {Count(Counted.WAIT, "addon", detail): 1 for detail in ("1", "7", "+Inf")}
    wait = next(family for family in ended_families(known) if family.name == "opsjobs_job_wait_seconds")
    buckets = {
        one.labels["le"]: one.value for one in wait.samples if one.labels.get("type") == "addon" and "le" in one.labels
    }
    assert (buckets["1"], buckets["5"], buckets["10"], buckets["86400"], buckets["+Inf"]) == (1, 1, 2, 2, 3)


async def test_the_queue_of_the_reconciler_and_what_waits(records: Records, cluster: InMemory) -> None:
    begun = datetime.now(UTC) - timedelta(minutes=5)
    await records.add(a_job(ROLL, created=begun, plan=Plan((PlannedNode("n1"),))))
    cluster.has(ROLL)
    reconciler = Reconciler(records, cluster.port, "prod")
    metrics = LeaderMetrics(records, cluster.port, "prod")
    with metrics.leading(reconciler):
        reconciler.look_at(ROLL)
        found = shown(metrics)
        assert found["opsjobs_reconciler_queue_length"] == 1
        assert found["opsjobs_reconciler_behind_seconds"] > 0
        assert found["opsjobs_oldest_waiting_job_seconds['start']"] == 0, "it was not read yet"
        async with running(reconciler.run()):
            await until(lambda: _holds(reconciler.queue_length == 0 and reconciler.behind == 0), "it is not read")
        assert shown(metrics)["opsjobs_oldest_waiting_job_seconds['start']"] == pytest.approx(300, abs=60)
        await records.change(ROLL, lambda job: replace(job, phase=Phase.SUCCEEDED, ended=datetime.now(UTC)))
        await reconciler.reconcile(ROLL)
        assert shown(metrics)["opsjobs_oldest_waiting_job_seconds['start']"] == 0


async def test_a_job_that_cannot_be_read_makes_the_reconciler_late(records: Records, cluster: InMemory) -> None:
    """However often it is tried again, it waits since it changed."""
    await records.add(a_job(ROLL))

    async def fails(job_id: str) -> None:
        cluster.read.append(job_id)
        raise UnavailableError("Kubernetes is away")

    cluster.workflow = fails  # type: ignore[method-assign]
    reconciler = Reconciler(records, cluster.port, "prod")
    before = RECONCILER_ERRORS.labels("unavailable")._value.get()
    async with running(reconciler.run()):
        reconciler.look_at(ROLL)
        await until(lambda: _holds(reconciler.queue_length == 1 and bool(cluster.read)), "it is not tried again")
        since = reconciler.behind
        assert since > 0
    assert RECONCILER_ERRORS.labels("unavailable")._value.get() > before


async def _holds(what: bool) -> bool:  # noqa: FBT001 - the one thing
    return what
