"""Workflows, nodes and Secrets in memory, as the Cluster port shows them to the reconciler and housekeeping."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from service.domain.job import Job
from service.domain.rollout_progress import StepNotes
from service.domain.step_pod import StepPods
from service.jobs.monitoring import NodeCensus
from service.jobs.ports import Cluster, Records, UnavailableError, WorkflowEvent
from service.records import open_records
from tests.new_store import new_store
from workflow_templates.protocol.freeze import Freeze


class InMemory:
    """A cluster that does what it is told at once, and keeps count of what it was asked."""

    def __init__(self) -> None:
        self.workflows: dict[str, dict[str, Any]] = {}
        self.read: list[str] = []
        self.let_go_of: list[str] = []
        #: What `create_workflow` raises, instead of creating the Workflow or (it stands) what belongs to it.
        self.creation: UnavailableError | None = None
        #: Nodes that are out of service.
        self.gone: frozenset[str] = frozenset()
        self.frozen: Freeze | None = None
        self.census = NodeCensus()
        #: What the steps of jobs noted.
        self.notes: dict[str, StepNotes] = {}
        self.locked: dict[str, str] = {}
        self.other_leases: dict[str, str] = {}
        self.stuck: set[str] = set()
        #: Node → why it stays locked.
        self.at_work: dict[str, str] = {}
        #: How far the apiserver's clock is ahead of the service's.
        self.clock_ahead = timedelta()
        self.secrets: dict[str, bool] = {}
        #: Jobs that have something in the namespace of the checks.
        self.checks: set[str] = set()
        #: No Workflow is read while this is not set.
        self.answers = asyncio.Event()
        self.answers.set()
        self._events: asyncio.Queue[WorkflowEvent] = asyncio.Queue()
        self._version = 0

    def has(self, job_id: str, **status: Any) -> dict[str, Any]:
        """A Workflow as Argo shows it, at a new resourceVersion."""
        self._version += 1
        metadata = {"name": job_id, "uid": f"uid-{job_id}", "resourceVersion": str(self._version)}
        self.workflows[job_id] = {"metadata": metadata, "spec": {}, "status": status}
        return self.workflows[job_id]

    def change(self, job_id: str, **status: Any) -> None:
        metadata = self.has(job_id, **status)["metadata"]
        self._events.put_nowait(WorkflowEvent(job_id, metadata["uid"], metadata["resourceVersion"]))

    def relist(self) -> None:
        for job_id, workflow in self.workflows.items():
            metadata = workflow["metadata"]
            self._events.put_nowait(WorkflowEvent(job_id, metadata["uid"], metadata["resourceVersion"], listed=True))
        self._events.put_nowait(WorkflowEvent(None, seen=frozenset(self.workflows)))

    async def watch_workflows(self) -> AsyncIterator[WorkflowEvent]:
        while True:
            yield await self._events.get()

    async def workflow(self, job_id: str) -> Mapping[str, Any] | None:
        self.read.append(job_id)
        await self.answers.wait()
        return self.workflows.get(job_id)

    async def create_workflow(self, job: Job) -> None:
        if self.creation:
            raise self.creation
        if job.job_id not in self.workflows:
            self.change(job.job_id)

    async def step_notes(self, job_id: str) -> StepNotes:
        return self.notes.get(job_id, StepNotes())

    async def out_of_service(self, _job_id: str) -> frozenset[str]:
        return self.gone

    async def freeze(self) -> Freeze | None:
        return self.frozen

    async def node_census(self) -> NodeCensus:
        return self.census

    async def steer_workflow(self, job_id: str, annotations: Mapping[str, str | None]) -> None:
        workflow = self.workflows[job_id]
        known = {**workflow["metadata"].get("annotations", {}), **annotations}
        self.change(job_id, **workflow["status"])
        said = {key: value for key, value in known.items() if value is not None}
        self.workflows[job_id]["metadata"]["annotations"] = said

    async def stop_workflow(self, job_id: str, *, by: str) -> None:
        assert by == "opsjobs"
        self.workflows[job_id]["spec"]["shutdown"] = "Stop"

    async def time_out_workflow(self, job_id: str) -> None:
        self.workflows[job_id]["metadata"]["annotations"] = {"opsjob.io/timed-out": "true"}
        self.workflows[job_id]["spec"] |= {"suspend": None, "shutdown": "Stop"}

    async def remind_argo(self, job_id: str, now: datetime) -> None:
        self.workflows[job_id]["metadata"]["annotations"] = {"opsjob.io/reminded": now.isoformat()}

    async def delete_workflow(self, job_id: str) -> None:
        self.workflows[job_id]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    async def remove_finalizer(self, job_id: str) -> None:
        self.let_go_of.append(job_id)

    async def holders(self) -> Mapping[str, str]:
        return dict(self.locked)

    async def give_back_node(self, node: str, job_id: str) -> str:
        if node in self.stuck:
            raise UnavailableError(f"{node} is refused")
        if why := self.at_work.get(node, ""):
            return why
        assert self.locked.pop(node) == job_id
        return ""

    async def leases(self) -> Mapping[str, str]:
        return {f"node-{node}": job_id for node, job_id in self.locked.items()} | self.other_leases

    async def free_lease(self, name: str, job_id: str) -> None:
        if node := name.removeprefix("node-") * name.startswith("node-"):
            await self.give_back_node(node, job_id)
        else:
            assert self.other_leases.pop(name) == job_id

    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock_ahead

    async def unowned_secrets(self, older_than_seconds: int) -> Sequence[str]:
        assert older_than_seconds >= 60
        return list(self.secrets)

    async def delete_secret(self, job_id: str) -> None:
        if job_id in self.stuck:
            raise UnavailableError(f"Secret {job_id} is refused")
        del self.secrets[job_id]

    async def jobs_with_checks(self) -> Sequence[str]:
        return sorted(self.checks)

    async def delete_checks(self, job_id: str) -> None:
        self.checks.remove(job_id)

    async def step_pods(self, _job_id: str) -> StepPods:
        return StepPods((), over=True)

    async def end_stuck_pods(self, not_ready_seconds: int) -> Mapping[str, str]:
        assert not_ready_seconds
        return {}

    @property
    def port(self) -> Cluster:
        return cast("Cluster", self)


@contextlib.asynccontextmanager
async def records_in(folder: Path) -> AsyncIterator[Records]:
    async with open_records(await new_store(folder)) as records:
        yield records


@contextlib.asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(what: Callable[[], Awaitable[bool]], says: str) -> None:
    end = asyncio.get_running_loop().time() + 30
    while not await what():
        assert asyncio.get_running_loop().time() < end, says
        await asyncio.sleep(0.005)
