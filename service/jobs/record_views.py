"""What followers, lists of machines and monitoring need from the store: a part of the port Records."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from service.domain.ended_counts import Count
from service.domain.job import Job
from service.domain.node_list import LastJobs, Work


class RecordViews(Protocol):
    """Every method raises UnavailableError when the store does not answer."""

    async def get_version(self, job_id: str) -> tuple[Job, int] | None:
        """The record without its long texts, and its version: a number that grows with each change."""
        ...

    async def versions(self, job_ids: Collection[str]) -> Mapping[str, int]:
        """The versions of those of the records that were changed since they were added."""
        ...

    async def last_jobs(self, cluster_id: str, names: Sequence[str]) -> Mapping[str, LastJobs]:
        """What was planned last on each of these nodes, without jobs that were deleted from the list."""
        ...

    async def works(self, job_ids: Collection[str], names: Collection[str]) -> Mapping[str, Work]:
        """What is shown of these jobs beside these nodes; those that there are."""
        ...

    async def ended_counts(self, cluster_id: str) -> Mapping[Count, int]:
        """What has ended in that cluster so far, also of jobs whose records are dropped; what is 0 may be left out."""
        ...

    async def unfinished_counts(self, cluster_id: str) -> Mapping[tuple[str, str], int]:
        """How many jobs of that cluster have not ended, by type and phase; what is 0 may be left out."""
        ...

    async def next_look(self) -> None:
        """Return when records may have changed: as soon as the store says so, or a second later where it cannot."""
        ...
