"""What the end of a job adds to the counts that the store keeps: by type, how it ended, its nodes, its times."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from service.domain.job import Job, NodePhase
from service.domain.job_types.registry import traits_of


class Counted(StrEnum):
    """What is counted. The values stand in the store."""

    JOBS = "jobs"
    NODES = "nodes"
    DURATION = "duration"
    WAIT = "wait"
    REBOOT = "reboot"


class Count(NamedTuple):
    """One of the counts of a cluster.

    `detail` says of what kind: of jobs `phase/reason`, of nodes the result, of times the upper limit of a bucket in
    seconds, or `SUM`, which is counted in milliseconds.
    """

    name: str
    type: str
    detail: str


SUM = "sum"
INFINITE = "+Inf"

#: In seconds. What was counted in a bucket that is gone from here is counted in the next larger one.
BUCKETS: Mapping[Counted, tuple[int, ...]] = {
    Counted.DURATION: (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400, 43_200, 86_400),
    Counted.WAIT: (1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400),
    Counted.REBOOT: (30, 60, 120, 180, 240, 300, 450, 600, 900, 1200, 1800, 3600),
}


def phase_and_reason(job: Job) -> str:
    """How an ended job did: its final condition."""
    return f"{job.phase}/{job.conditions[-1].reason if job.conditions else ''}"


def counts(job: Job) -> dict[Count, int]:
    """What a job adds that has just ended."""
    found = Counter({Count(Counted.JOBS, job.type, phase_and_reason(job)): 1})
    for phase, nodes in Counter(node.phase for node in job.plan.nodes).items():
        if phase.final:
            found[Count(Counted.NODES, job.type, phase.lower())] = nodes
    if job.started:
        found.update(_time(Counted.WAIT, job.type, job.created, job.started))
        found.update(_time(Counted.DURATION, job.type, job.started, job.ended))
    if traits_of(job.type).reboots:
        for node in job.plan.nodes:
            if node.phase is NodePhase.SUCCEEDED and node.start:
                found.update(_time(Counted.REBOOT, job.type, node.start, node.end))
    return dict(found)


def _time(name: Counted, job_type: str, begin: datetime, end: datetime | None) -> dict[Count, int]:
    if end is None:
        return {}
    # Kubernetes' clock and ours may differ by moments.
    took = max(end - begin, timedelta())
    limits = BUCKETS[name]
    place = bisect_left(limits, took.total_seconds())
    bucket = str(limits[place]) if place < len(limits) else INFINITE
    return {Count(name, job_type, bucket): 1, Count(name, job_type, SUM): took // timedelta(milliseconds=1)}
