"""The reconciler: the one writer that turns what Workflows do into records (design: rules 1 to 3)."""

import asyncio
import itertools
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import IntEnum
from typing import Any

import structlog

from service.domain.job import Job, NodePhase
from service.domain.job_types.registry import traits_of
from service.domain.phase import (
    PICKED_UP_WITHIN,
    is_noted,
    not_picked_up,
    observe,
    refused_by_kubernetes,
    without_workflow,
)
from service.domain.rollout_progress import NO_NOTES, StepNotes
from service.domain.workflow import Workflow
from service.jobs.node_events import NodeEvents
from service.jobs.ports import Cluster, Records, RefusedByClusterError, UnavailableError, WorkflowEvent
from service.jobs.storing_output import OutputStoring
from service.jobs.waiting_jobs import WaitingJobs
from service.metrics import LAG, RECONCILER_ERRORS

log = structlog.get_logger()

#: At most this many Workflows are read at the same time.
READERS = 4
#: Seconds before a Workflow whose reading failed is read again.
AGAIN = 2.0
#: The same where the failure is none that we know of: it may well be there again.
AGAIN_AFTER_SURPRISE = 30.0
#: Seconds after a Workflow's time at which we do what Argo did not. At the end of its TTL Argo asks for the deletion
#: once, and if that request fails not again until it lists, which may be never. And if its deadline passes while a
#: node waits for its next try, Argo 4.0.7 begins the next step without a pod, and waits for that pod.
OVERDUE = 20.0
#: Seconds between two readings of the same Workflow: what changes meanwhile is read at once afterwards.
REST = 0.2
#: A large Workflow rests this many times as long as its reading took, so that no job takes the service for itself.
REST_SHARE = 3.0


#: Seconds after which a job is looked at again whose steps note at Leases what its Workflow does not show.
NOTED_AGAIN = 5.0


class Urgency(IntEnum):
    """Which readings go ahead of others: what just happened before what a relist, or housekeeping, only looks over."""

    CHANGED = 0
    LISTED = 1


class Reconciler:
    """Reads each Workflow that changed and writes its record.

    The first change is read at once; all that come while that is done, and in the short rest after it, are read
    together then. A job of a thousand nodes changes many times a second, and each reading is of the whole of it.
    What a relist shows as it was when it was last read, with nothing left to do, is not read again.
    """

    def __init__(
        self,
        records: Records,
        cluster: Cluster,
        cluster_id: str,
        storing: OutputStoring | None = None,
        events: NodeEvents | None = None,
    ) -> None:
        self._records = records
        self._cluster = cluster
        #: None: the output of jobs goes with their pods.
        self._storing = storing
        #: None: nothing is told of nodes in Kubernetes.
        self._events = events
        if storing:
            storing.on_done = self._look_at_held
        #: Jobs of other clusters, where several have their records in one store, are left alone.
        self.cluster_id = cluster_id
        self._queue: asyncio.PriorityQueue[tuple[Urgency, int, str]] = asyncio.PriorityQueue()
        self._turns = itertools.count()
        self._waiting: dict[str, Urgency] = {}
        self._held_back: set[str] = set()
        #: Jobs that are looked at again soon for what their steps note.
        self._noted: set[str] = set()
        #: Job → uid and resourceVersion of its Workflow when a reading left nothing to do; only of live Workflows.
        self._settled: dict[str, tuple[str, str]] = {}
        #: Job → when it is looked at though nothing happened to it.
        self._alarms: dict[str, asyncio.TimerHandle] = {}
        #: Jobs whose deleted Workflow stays until their output is stored.
        self._held: set[str] = set()
        #: Job → since when it is to be read, by the monotonic clock; until that is done.
        self._since: dict[str, float] = {}
        self.waiting = WaitingJobs()

    @property
    def queue_length(self) -> int:
        """How many jobs are to be read, or rest before they are."""
        return len(self._waiting)

    @property
    def behind(self) -> float:
        """For how many seconds the one waits to be read that waits longest; 0: none does."""
        return time.monotonic() - min(self._since.values()) if self._since else 0.0

    async def run(self) -> None:
        """Watch and write, for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(READERS):
                group.create_task(self._write())
            async for event in self._cluster.watch_workflows():
                await self._take(event)

    def look_at(self, job_id: str, urgency: Urgency = Urgency.LISTED) -> None:
        """Have a job's Workflow read soon, whether or not it changed."""
        if self._waiting.get(job_id, len(Urgency)) <= urgency:
            return
        self._waiting[job_id] = urgency
        self._since.setdefault(job_id, time.monotonic())
        if job_id not in self._held_back:
            self._queue_up(job_id)

    def _queue_up(self, job_id: str) -> None:
        self._queue.put_nowait((self._waiting[job_id], next(self._turns), job_id))

    async def _take(self, event: WorkflowEvent) -> None:
        if event.name is not None:
            if event.deleted or self._settled.get(event.name) != (event.uid, event.resource_version):
                self.look_at(event.name, Urgency.LISTED if event.listed else Urgency.CHANGED)
            return
        # A relist: whatever has a record and was not seen has gone, or was never created.
        for job_id in self._settled.keys() - event.seen:
            del self._settled[job_id]
        for job_id in set(await self._records.unfinished(self.cluster_id)) - event.seen:
            self.look_at(job_id)

    async def _write(self) -> None:
        while True:
            _, _, job_id = await self._queue.get()
            if job_id in self._held_back or job_id not in self._waiting:
                continue  # it became urgent while it waited, and had its turn then
            urgency = self._waiting.pop(job_id)
            self._held_back.add(job_id)
            rest = await self._reconcile_timed(job_id, urgency)
            asyncio.get_running_loop().call_later(rest, self._let_on, job_id)

    async def _reconcile_timed(self, job_id: str, urgency: Urgency) -> float:
        """Reconcile one job; returns for how many seconds it is left alone."""
        begun = time.monotonic()
        try:
            await self.reconcile(job_id)
        except UnavailableError as error:
            log.warning("a Workflow could not be reconciled and will be read again", job_id=job_id, reason=str(error))
            RECONCILER_ERRORS.labels("unavailable").inc()
            self.look_at(job_id, urgency)
            return AGAIN
        except Exception:
            # One job's surprise must not end the work on all others.
            log.exception("a Workflow could not be reconciled", job_id=job_id)
            RECONCILER_ERRORS.labels("unexpected").inc()
            self.look_at(job_id)
            return AGAIN_AFTER_SURPRISE
        self._note_lag(job_id, begun)
        return max(REST, REST_SHARE * (time.monotonic() - begun))

    def _note_lag(self, job_id: str, begun: float) -> None:
        """A job was read; where it changed meanwhile it waits since then, for the next reading."""
        LAG.observe(time.monotonic() - self._since.pop(job_id, begun))
        if job_id in self._waiting:
            self._since[job_id] = begun

    def _let_on(self, job_id: str) -> None:
        self._held_back.discard(job_id)
        if job_id in self._waiting:
            self._queue_up(job_id)

    async def reconcile(self, job_id: str) -> None:
        """Bring one job's record, and then its Workflow, to where they should be. Safe to repeat at any time."""
        self._settled.pop(job_id, None)
        workflow = await self._cluster.workflow(job_id)
        if workflow is None:
            await self._absent(job_id)
            return
        known = await self._records.get(job_id, texts=False)
        if known is None:
            await self._unknown(job_id, workflow)
            return
        if known.cluster_id != self.cluster_id:
            log.warning("a Workflow of another cluster's job is left alone", job_id=job_id, cluster=known.cluster_id)
            return
        unfinished = not known.workflow_uid or bool(known.refused)
        # What a killed submission began is finished before the record says that the Workflow is there.
        whole = await self._records.get(job_id) if unfinished and not Workflow(workflow).completed else None
        refused = await self._created(whole) if whole else ""
        now = self._cluster.now()
        noted = not known.phase.final and is_noted(known)
        freeze = (
            await self._cluster.freeze() if traits_of(known.type).works_on_nodes and not known.phase.final else None
        )
        notes = await self._notes(known) if noted or freeze else NO_NOTES

        def seen(job: Job) -> Job:
            observed = observe(job, workflow, now, notes, freeze)
            return not_picked_up(refused_by_kubernetes(observed, refused, now), workflow, now)

        job = await self._records.change(job_id, seen)
        self.waiting.seen(job_id, job)
        if self._events and job is not None:
            self._events.put(known, job)
        if job is not None and not await self._carry_out(job, workflow) and not refused:
            self._settled[job_id] = (workflow["metadata"]["uid"], workflow["metadata"]["resourceVersion"])
        if noted and job is not None and not job.phase.final and job_id not in self._noted:
            self._noted.add(job_id)
            asyncio.get_running_loop().call_later(NOTED_AGAIN, self._look_at_notes, job_id)

    async def _notes(self, job: Job) -> StepNotes:
        notes = await self._cluster.step_notes(job.job_id)
        waits = job.rollout is not None and any(node.phase is NodePhase.WAITING for node in job.plan.nodes)
        return replace(notes, out_of_service=await self._cluster.out_of_service(job.job_id)) if waits else notes

    async def _absent(self, job_id: str) -> None:
        job = await self._records.get(job_id)
        if job is None or job.workflow_gone or job.cluster_id != self.cluster_id:
            return
        now = self._cluster.now()
        never_created = not job.workflow_uid and not job.phase.final
        if never_created and not job.stop_requested:
            log.info("creating the Workflow that an accepted job lacks", job_id=job_id)
            refused = await self._created(job)
            job = await self._records.change(job_id, lambda job: refused_by_kubernetes(job, refused, now))
        else:
            job = await self._records.change(job_id, lambda job: without_workflow(job, now))
        self.waiting.seen(job_id, job)

    async def _created(self, job: Job) -> str:
        """Create what the job lacks in the cluster; returns why Kubernetes refuses it; housekeeping tries again."""
        try:
            await self._cluster.create_workflow(job)
        except RefusedByClusterError as error:
            log.warning("Kubernetes refuses what a job needs", job_id=job.job_id, reason=str(error))
            return str(error)
        return ""

    async def _unknown(self, job_id: str, workflow: Mapping[str, Any]) -> None:
        seen = Workflow(workflow)
        if seen.completed and seen.deleting:
            log.warning("letting a deleted Workflow go that has no record: was the store lost?", job_id=job_id)
            await self._cluster.remove_finalizer(job_id)
        else:
            log.warning("a Workflow without a record is left alone", job_id=job_id)

    async def _carry_out(self, job: Job, workflow: Mapping[str, Any]) -> bool:
        """Do to the Workflow what its record asks for: stop it, delete it, let it go. Whether there was any of it."""
        seen = Workflow(workflow)
        stops = not seen.completed and (job.stop_requested or seen.deleting) and not seen.shut_down
        deletes = not seen.deleting and (job.hidden or self._overdue(seen))
        late = self._is_late(seen)
        stored = not seen.completed or self._is_output_stored(job.job_id, deleting=seen.deleting)
        lets_go = seen.completed and seen.deleting and stored
        if job.steered is not None and not job.steered.carried_out and not seen.completed:
            await self._cluster.steer_workflow(job.job_id, job.steered.annotations)
        if late and seen.suspended:
            log.warning("a suspended Workflow is ended at its deadline, which Argo does not do", job_id=job.job_id)
            await self._cluster.time_out_workflow(job.job_id)
        elif late:
            log.warning("Argo did not end a Workflow at its deadline and is reminded of it", job_id=job.job_id)
            await self._cluster.remind_argo(job.job_id, self._cluster.now())
        if not seen.phase and seen.created and self._is_past(seen.created, seen.name, PICKED_UP_WITHIN):
            unsaid = not_picked_up(job, workflow, self._cluster.now()) is not job
            if unsaid:  # its time passed since it was read
                self.look_at(job.job_id)
        if stops:
            await self._cluster.stop_workflow(job.job_id, by="opsjobs")
        if deletes:
            await self._cluster.delete_workflow(job.job_id)
        if lets_go:
            await self._cluster.remove_finalizer(job.job_id)
            if self._storing:
                self._storing.forget(job.job_id)
        return bool(late or stops or deletes or lets_go)

    def _is_output_stored(self, job_id: str, *, deleting: bool) -> bool:
        """Whether its pods may go, and with them what they wrote; storing it begins as soon as the job has ended."""
        if self._storing is None or self._storing.is_done(job_id):
            return True
        if deleting:
            self._held.add(job_id)
        return False

    def _look_at_held(self, job_id: str) -> None:
        if job_id in self._held:
            self._held.discard(job_id)
            self.look_at(job_id)

    def _overdue(self, seen: Workflow) -> bool:
        """Whether Argo should have deleted it by now."""
        return seen.expires is not None and self._is_past(seen.expires, seen.name)

    def _is_late(self, seen: Workflow) -> bool:
        """Whether Argo should have ended its steps by now, and was not reminded of it just before."""
        if seen.deadline is None:
            return False
        return self._is_past(max(seen.deadline, seen.reminded or seen.deadline), seen.name)

    def _is_past(self, due: datetime, job_id: str, grace: float | None = None) -> bool:
        """Whether Argo had its time; where that is still to come the Workflow is looked at again then."""
        left = (due - self._cluster.now()).total_seconds() + (OVERDUE if grace is None else grace)
        if alarm := self._alarms.pop(job_id, None):
            alarm.cancel()
        if left > 0:
            self._alarms[job_id] = asyncio.get_running_loop().call_later(left, self._remember, job_id)
        return left <= 0

    def _look_at_notes(self, job_id: str) -> None:
        self._noted.discard(job_id)
        self.look_at(job_id)

    def _remember(self, job_id: str) -> None:
        del self._alarms[job_id]
        self.look_at(job_id)
