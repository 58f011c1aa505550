"""The counts that the store keeps, as Prometheus reads them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

from service.domain.ended_counts import BUCKETS, INFINITE, SUM, Count, Counted
from service.domain.job import JobType, NodePhase
from service.domain.verdict import REASONS

Counts = Mapping[Count, int]

_MILLISECONDS = 1000.0
_TIMES = {
    Counted.DURATION: ("opsjobs_job_duration_seconds", "Time from the start of a job to its end"),
    Counted.WAIT: ("opsjobs_job_wait_seconds", "Time from the creation of a job to its start"),
    Counted.REBOOT: (
        "opsjobs_reboot_seconds",
        "Time of a node that was rebooted, from the beginning of its drain until it is back",
    ),
}


def ended_families(counts: Counts) -> Iterator[Metric]:
    """With a zero for all that did not happen yet: an alert on the first failure needs something to grow from."""
    yield _jobs(counts)
    yield _nodes(counts)
    for name in _TIMES:
        yield _times(counts, name)


def _jobs(counts: Counts) -> Metric:
    family = CounterMetricFamily("opsjobs_jobs_ended", "Jobs that ended", labels=["type", "phase", "reason"])
    known = {Count(Counted.JOBS, kind, f"{phase}/{reason}"): 0 for kind in JobType for phase, reason in REASONS}
    for count, value in (known | dict(counts)).items():
        if count.name == Counted.JOBS:
            phase, _, reason = count.detail.partition("/")
            family.add_metric([count.type, phase, reason], value)
    return family


def _nodes(counts: Counts) -> Metric:
    family = CounterMetricFamily("opsjobs_nodes_ended", "Planned nodes of jobs that ended", labels=["type", "result"])
    for kind in JobType:
        for result in (phase.lower() for phase in NodePhase if phase.final):
            family.add_metric([kind, result], counts.get(Count(Counted.NODES, kind, result), 0))
    return family


def _times(counts: Counts, name: Counted) -> Metric:
    if name is Counted.REBOOT:
        family = HistogramMetricFamily(*_TIMES[name])
        family.add_metric([], *_histogram(counts, name, JobType))
        return family
    family = HistogramMetricFamily(*_TIMES[name], labels=["type"])
    for kind in JobType:
        family.add_metric([kind], *_histogram(counts, name, [kind]))
    return family


def _histogram(counts: Counts, name: Counted, types: Iterable[str]) -> tuple[list[tuple[str, float]], float]:
    """What it has in each bucket, and its sum in seconds."""
    counted = Counter[str]()
    for kind in types:
        counted.update({count.detail: value for count, value in counts.items() if count[:2] == (name, kind)})
    total = counted.pop(SUM, 0) / _MILLISECONDS
    return _buckets(counted, BUCKETS[name]), total


def _buckets(counted: Mapping[str, int], limits: tuple[int, ...]) -> list[tuple[str, float]]:
    """What took no longer than each limit."""
    upper = {float(detail): value for detail, value in counted.items()}
    sums = [(str(limit), sum(value for most, value in upper.items() if most <= limit)) for limit in limits]
    return [*sums, (INFINITE, sum(upper.values()))]
