"""What happened to a job between two states of its record, as GET /{id}/events tells it (contract: Following a job)."""

from collections.abc import Iterator
from typing import Any

from service.domain.job import Job, rfc3339
from service.domain.job_representation import condition, planned, progress

#: An event's name and its data.
Change = tuple[str, dict[str, Any]]


def changes(before: Job, after: Job) -> Iterator[Change]:
    """In the order: phase, conditions, nodes, progress, end. A condition that was brought up to date comes again."""
    if (before.phase, before.started, before.ended) != (after.phase, after.started, after.ended):
        yield _phase(after)
    known = set(before.conditions)
    yield from (("condition", condition(one)) for one in after.conditions if one not in known)
    for old, new in zip(before.plan.nodes, after.plan.nodes, strict=True):
        # Most of a large plan stays as it is from one look to the next.
        if (old is not new and old != new) or before.frozen != after.frozen:
            shown = planned(after, new)
            if shown != planned(before, old):
                yield "node", shown
    if progress(before.plan) != progress(after.plan):
        yield _progress(after)
    yield from end(after)


def state(job: Job) -> Iterator[Change]:
    """All there is to know of a job, each thing once: for a reader who comes back."""
    yield _phase(job)
    yield from (("condition", condition(one)) for one in job.conditions)
    yield from (("node", planned(job, node)) for node in job.plan.nodes)
    yield _progress(job)
    yield from end(job)


def end(job: Job) -> Iterator[Change]:
    """The last event of a job that has ended; of another none."""
    if job.phase.final:
        yield "end", {"phase": job.phase.value, "endTime": rfc3339(job.ended)}


def _phase(job: Job) -> Change:
    times = {"startTime": rfc3339(job.started), "endTime": rfc3339(job.ended)}
    return "phase", {"phase": job.phase.value, **times}


def _progress(job: Job) -> Change:
    return "progress", {"progress": progress(job.plan)}
