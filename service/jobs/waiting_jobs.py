"""Which of the jobs that were looked at wait, for what and since when."""

from collections.abc import Mapping
from datetime import datetime

from service.domain.job import Job
from service.domain.waiting import Waiting, WaitReason, waiting


class WaitingJobs:
    """Kept by the reconciler, which looks at every job when it begins and at each that changes."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}

    def seen(self, job_id: str, job: Job | None) -> None:
        """None: there is no such record."""
        found = waiting(job) if job else None
        if found:
            self._waiting[job_id] = found
        else:
            self._waiting.pop(job_id, None)

    def oldest(self) -> Mapping[WaitReason, datetime]:
        """Since when the one waits that waits longest, by reason; for those reasons for which one does."""
        found: dict[WaitReason, datetime] = {}
        for reason, since in self._waiting.values():
            found[reason] = min(since, found.get(reason, since))
        return found
