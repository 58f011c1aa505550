"""Who follows jobs: one look at the records serves all of a replica's followers, however many there are."""

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from service.domain.job import Job
from service.jobs.ports import Records, UnavailableError

log = structlog.get_logger()

#: Seconds between two looks at least, however often the store says that something changed.
REST = 0.2
#: After a look that failed.
AGAIN = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A record as it was at a version, without its long texts."""

    version: int
    job: Job


class Followed:
    """One job that is followed, by any number of followers."""

    def __init__(self, latest: Snapshot) -> None:
        self.latest = latest
        self.followers = 0
        self._changed = asyncio.Event()
        self._made: tuple[tuple[int, int], bytes] | None = None

    async def later_than(self, version: int) -> Snapshot:
        """The latest snapshot, once there is one of a later version."""
        while self.latest.version <= version:
            await self._changed.wait()
        return self.latest

    def publish(self, snapshot: Snapshot) -> None:
        self.latest = snapshot
        # Those who wait have the old event; those who come now wait for the next.
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def shared(self, before: Snapshot, after: Snapshot, make: Callable[[Job, Job], bytes]) -> bytes:
        """What is sent for a change: made once for all followers who are told of the same."""
        versions = before.version, after.version
        if self._made is None or self._made[0] != versions:
            self._made = versions, make(before.job, after.job)
        return self._made[1]


class JobFollowers:
    """Looks at the versions of the jobs that are followed, as long as any is, and reads those that changed."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._followed: dict[str, Followed] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def follow(self, job_id: str, known: Snapshot) -> AsyncIterator[Followed]:
        """The job as it goes on from `known`, for the length of the block."""
        followed = self._followed.setdefault(job_id, Followed(known))
        followed.followers += 1
        if self._looking is None:
            # It is of all followers: what it logs does not carry the id of the first one's request.
            self._looking = asyncio.create_task(self._look(), context=contextvars.Context())
        try:
            yield followed
        finally:
            followed.followers -= 1
            if not followed.followers:
                del self._followed[job_id]
            if not self._followed and self._looking:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        while True:
            try:
                await self._records.next_look()
                await self._read_what_changed()
            except UnavailableError as error:
                log.warning("followers of jobs wait for the store", reason=str(error))
                await asyncio.sleep(AGAIN)
            except Exception:
                log.exception("what changed could not be read for the followers of jobs")
                await asyncio.sleep(AGAIN)
            await asyncio.sleep(REST)

    async def _read_what_changed(self) -> None:
        for job_id, version in (await self._records.versions(list(self._followed))).items():
            followed = self._followed.get(job_id)
            if followed is None or followed.latest.version >= version:
                continue
            if found := await self._records.get_version(job_id):
                followed.publish(Snapshot(found[1], found[0]))
