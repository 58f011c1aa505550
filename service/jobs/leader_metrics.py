"""What the leader knows of the whole cluster, as Prometheus reads it; the other replicas show nothing of it.

It is read in the background: what Prometheus asks for is there at once, also while the store or Kubernetes is away.
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import structlog
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.domain.ended_counts import Count
from service.domain.job import JobType, Phase
from service.domain.waiting import WaitReason
from service.jobs.ended_families import ended_families
from service.jobs.monitoring import NodeCensus
from service.jobs.ports import Cluster, Records, UnavailableError
from service.jobs.reconcile import Reconciler
from service.metrics import LEADER
from workflow_templates.protocol.freeze import Freeze

log = structlog.get_logger()

#: Seconds between two readings.
PERIOD = 10.0


class LeaderMetrics(Collector):
    """Of one replica, whether it leads or not."""

    def __init__(self, records: Records, cluster: Cluster, cluster_id: str) -> None:
        self._records = records
        self._cluster = cluster
        self._cluster_id = cluster_id
        self._reconciler: Reconciler | None = None
        self._ended: Mapping[Count, int] | None = None
        self._unfinished: Mapping[tuple[str, str], int] | None = None
        self._census: NodeCensus | None = None
        self._freeze: Freeze | None = None

    @contextlib.contextmanager
    def leading(self, reconciler: Reconciler) -> Iterator[None]:
        """This replica leads for the length of the block."""
        self._reconciler = reconciler
        LEADER.set(1)
        try:
            yield
        finally:
            LEADER.set(0)
            self._reconciler = self._ended = self._unfinished = self._census = None

    async def run(self) -> None:
        """Read what is shown, for ever, while this replica leads."""
        while True:
            for read in (self._read_store, self._read_cluster):
                try:
                    await read()
                except UnavailableError as error:
                    log.warning("metrics are as old as the last reading", reading=read.__name__, reason=str(error))
                except Exception:
                    # Beside it runs all of the leader's work, which must not end for a figure.
                    log.exception("metrics could not be read", reading=read.__name__)
            await asyncio.sleep(PERIOD)

    async def _read_store(self) -> None:
        self._unfinished = await self._records.unfinished_counts(self._cluster_id)
        self._ended = await self._records.ended_counts(self._cluster_id)

    async def _read_cluster(self) -> None:
        self._freeze = await self._cluster.freeze()
        self._census = await self._cluster.node_census()

    def describe(self) -> Iterator[Metric]:
        """Nothing: what there is depends on whether this replica leads."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """What is known; nothing of what was not read yet, which is not 0."""
        if self._reconciler is None:
            return
        yield from _reconciler(self._reconciler, self._cluster.now())
        if self._unfinished is not None:
            yield _jobs(self._unfinished)
        if self._ended is not None:
            yield from ended_families(self._ended)
        if self._census is not None:
            yield from _nodes(self._census, self._freeze, self._cluster.now())


def _reconciler(reconciler: Reconciler, now: datetime) -> Iterator[Metric]:
    length = "Jobs whose Workflow changed, or is to be looked at, and was not read yet"
    yield GaugeMetricFamily("opsjobs_reconciler_queue_length", length, value=reconciler.queue_length)
    behind = "Age of the oldest change of a Workflow that was not read yet"
    yield GaugeMetricFamily("opsjobs_reconciler_behind_seconds", behind, value=reconciler.behind)
    oldest = reconciler.waiting.oldest()
    about = "For how long the job waits that waits longest, by reason; 0: none does"
    family = GaugeMetricFamily("opsjobs_oldest_waiting_job_seconds", about, labels=["reason"])
    for reason in WaitReason:
        family.add_metric([reason], _age(oldest.get(reason), now))
    yield family


def _jobs(unfinished: Mapping[tuple[str, str], int]) -> Metric:
    family = GaugeMetricFamily("opsjobs_jobs", "Jobs that have not ended", labels=["type", "phase"])
    for kind in JobType:
        for phase in (phase for phase in Phase if not phase.final):
            family.add_metric([kind, phase], unfinished.get((kind, phase), 0))
    return family


def _nodes(census: NodeCensus, freeze: Freeze | None, now: datetime) -> Iterator[Metric]:
    yield GaugeMetricFamily("opsjobs_node_locks", "Nodes that are locked by a job", value=census.locked)
    oldest = "Age of the oldest node lock; 0: there is none"
    yield GaugeMetricFamily("opsjobs_oldest_node_lock_seconds", oldest, value=_age(census.oldest_lock, now))
    yield GaugeMetricFamily(
        "opsjobs_nodes_cordoned", "Nodes that a job has cordoned for its work", value=census.cordoned
    )
    left = "Nodes that a job left cordoned at its end, and that still are"
    yield GaugeMetricFamily("opsjobs_nodes_left_cordoned", left, value=census.left_cordoned)
    yield GaugeMetricFamily("opsjobs_frozen", "1 while the cluster is frozen", value=int(freeze is not None))
    since = "For how long the cluster is frozen; 0: it is not"
    yield GaugeMetricFamily("opsjobs_frozen_seconds", since, value=_age(_since(freeze), now))


def _since(freeze: Freeze | None) -> datetime | None:
    """None also where a person made it and wrote no time there."""
    with contextlib.suppress(ValueError):
        found = datetime.fromisoformat(freeze.since) if freeze else None
        return found and (found if found.tzinfo else found.replace(tzinfo=UTC))
    return None


def _age(since: datetime | None, now: datetime) -> float:
    return max((now - since).total_seconds(), 0.0) if since else 0.0
