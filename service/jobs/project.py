"""The projector: the one writer that turns what Workflows do into records (design: rules 1 to 3)."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from service.domain.job import Job
from service.domain.phase import observe, vanished
from service.jobs.ports import Cluster, Records, UnavailableError, WorkflowEvent

log = structlog.get_logger()

#: At most this many Workflows are read at the same time.
READERS = 4
#: Seconds before a Workflow whose reading failed is read again.
AGAIN = 2.0
#: Seconds between two readings of the same Workflow: what changes meanwhile is read at once afterwards.
REST = 0.2
#: A large Workflow rests this many times as long as its reading took, so that no job takes the service for itself.
REST_SHARE = 3.0


class Projector:
    """Reads each Workflow that changed and writes its record.

    The first change is read at once; all that come while that is done, and in the short rest after it, are read
    together then. A job of a thousand nodes changes many times a second, and each reading is of the whole of it.
    """

    def __init__(self, records: Records, cluster: Cluster) -> None:
        self._records = records
        self._cluster = cluster
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._held_back: set[str] = set()

    async def run(self) -> None:
        """Watch and write, for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(READERS):
                group.create_task(self._write())
            async for event in self._cluster.watch_workflows():
                await self._take(event)

    def look_at(self, job_id: str) -> None:
        """Have a job's Workflow read soon."""
        if job_id in self._waiting:
            return
        self._waiting.add(job_id)
        if job_id not in self._held_back:
            self._queue.put_nowait(job_id)

    async def _take(self, event: WorkflowEvent) -> None:
        if event.name is not None:
            self.look_at(event.name)
            return
        # A relist: whatever has a record and was not seen has gone, or was never created.
        for job_id in set(await self._records.unfinished()) - event.seen:
            self.look_at(job_id)

    async def _write(self) -> None:
        while True:
            job_id = await self._queue.get()
            self._waiting.discard(job_id)
            self._held_back.add(job_id)
            rest = await self._project_timed(job_id)
            asyncio.get_running_loop().call_later(rest, self._let_on, job_id)

    async def _project_timed(self, job_id: str) -> float:
        """Project one job; answers for how many seconds it is left alone."""
        begun = time.monotonic()
        try:
            await self.project(job_id)
        except UnavailableError as error:
            log.warning("a Workflow could not be projected and will be read again", job_id=job_id, reason=str(error))
            self.look_at(job_id)
            return AGAIN
        except Exception:
            # One job's surprise must not end the projection of all others.
            log.exception("a Workflow could not be projected", job_id=job_id)
        return max(REST, REST_SHARE * (time.monotonic() - begun))

    def _let_on(self, job_id: str) -> None:
        self._held_back.discard(job_id)
        if job_id in self._waiting:
            self._queue.put_nowait(job_id)

    async def project(self, job_id: str) -> None:
        """Bring one job's record, and then its Workflow, to where they should be. Safe to repeat at any time."""
        workflow = await self._cluster.workflow(job_id)
        if workflow is None:
            await self._absent(job_id)
            return
        known = await self._records.get(job_id)
        if known is None:
            log.warning("a Workflow without a record is left alone", job_id=job_id)
            return
        if not known.workflow_uid:
            await self._cluster.create_workflow(known)  # finishes what a killed submission began
        now = datetime.now(UTC)
        job = await self._records.change(job_id, lambda job: observe(job, workflow, now))
        if job is not None:
            await self._carry_out(job, workflow)

    async def _absent(self, job_id: str) -> None:
        job = await self._records.get(job_id)
        if job is None or job.workflow_gone:
            return
        never_created = not job.workflow_uid and not job.phase.final
        if never_created and not job.stop_requested:
            log.info("creating the Workflow that an accepted job lacks", job_id=job_id)
            await self._cluster.create_workflow(job)
            return
        now = datetime.now(UTC)
        await self._records.change(job_id, lambda job: vanished(job, now))

    async def _carry_out(self, job: Job, workflow: Mapping[str, Any]) -> None:
        """Do to the Workflow what its record asks for: stop it, delete it, let it go."""
        deleting = "deletionTimestamp" in workflow["metadata"]
        completed = workflow.get("status", {}).get("phase") in ("Succeeded", "Failed", "Error")
        if not completed and (job.stop_requested or deleting) and not workflow["spec"].get("shutdown"):
            await self._cluster.stop_workflow(job.job_id, by="opsjobs")
        if job.hidden and not deleting:
            await self._cluster.delete_workflow(job.job_id)
        if completed and deleting:
            await self._cluster.let_go(job.job_id)
