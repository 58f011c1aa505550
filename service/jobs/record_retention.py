"""How long records are kept: a part of the port service.jobs.ports.Records."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol


class RecordRetention(Protocol):
    """Every method raises UnavailableError when the store does not answer."""

    async def drops_by_default(self) -> bool:
        """Whether the store began with a version that drops old records unasked."""
        ...

    async def count_ended(self, cluster_id: str, ended_before: datetime) -> int:
        """How many records `forget` would drop."""
        ...

    async def drop_unused_texts(self, unused_since: datetime) -> int:
        """Drop the long texts that no record needs and none was accepted with since then; returns how many."""
        ...

    async def forgettable(self, cluster_id: str, ended_before: datetime) -> Sequence[str]:
        """The ids of a hundred of those that `forget` would drop."""
        ...

    async def forget(self, cluster_id: str, ended_before: datetime, only: Collection[str] | None = None) -> int:
        """Retention: drop that cluster's jobs that ended before and whose Workflow is gone; returns how many."""
        ...
