"""The reconciler reads what changed, soon and not more often than it must."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from service.domain.job import Job, JobType
from service.jobs import reconcile
from service.jobs.ports import Cluster, Records, UnavailableError, WorkflowEvent
from service.jobs.reconcile import Reconciler
from service.records import open_records
from tests.new_store import new_store

JOB = "job-1"


class Workflows:
    """One job's Workflow, as the Cluster port shows it to the reconciler: it changes, and says so."""

    def __init__(self) -> None:
        self.version = 0
        self.readings: list[int] = []
        self.reading_seconds = 0.0
        self.away = 0
        self.being_read = asyncio.Event()
        self._events: asyncio.Queue[WorkflowEvent] = asyncio.Queue()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def change(self) -> None:
        self.version += 1
        self._events.put_nowait(WorkflowEvent(name=JOB))

    async def watch_workflows(self) -> AsyncIterator[WorkflowEvent]:
        while True:
            yield await self._events.get()

    async def workflow(self, job_id: str) -> dict[str, Any]:
        assert job_id == JOB
        if self.away:
            self.away -= 1
            raise UnavailableError("the apiserver is away")
        version = str(self.version)
        self.readings.append(self.version)
        self.being_read.set()
        await asyncio.sleep(self.reading_seconds)
        return {"metadata": {"name": JOB, "uid": "uid-1", "resourceVersion": version}, "spec": {}, "status": {}}

    async def create_workflow(self, job: Job) -> None:
        """It is there."""

    async def freeze(self) -> None:
        """There is none."""


@contextlib.asynccontextmanager
async def reconciling(workflows: Workflows, folder: Path) -> AsyncIterator[Records]:
    async with open_records(await new_store(folder)) as records:
        job = Job(
            job_id=JOB,
            job_name="a job",
            type=JobType.ADDON,
            cluster_id="c",
            user_id="u",
            user_name="user",
            created=datetime(2026, 1, 1, tzinfo=UTC),
        )
        await records.add(job)
        cluster = cast("Cluster", workflows)
        task = asyncio.create_task(Reconciler(records, cluster, "c").run())
        try:
            yield records
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    end = asyncio.get_running_loop().time() + 20
    while not await what():
        assert asyncio.get_running_loop().time() < end, "the record does not show it"
        await asyncio.sleep(0.005)


async def recorded(records: Records, version: int) -> None:
    """Until the record shows that version of the Workflow."""

    async def shown() -> bool:
        job = await records.get(JOB)
        return job is not None and job.workflow_version == str(version)

    await until(shown)


@pytest.fixture
def workflows() -> Workflows:
    return Workflows()


async def test_many_changes_in_a_row_are_read_together_and_the_last_is_recorded(
    workflows: Workflows, tmp_path: Path
) -> None:
    async with reconciling(workflows, tmp_path) as records:
        for _ in range(200):
            workflows.change()
            await asyncio.sleep(0.001)
        await recorded(records, 200)
    assert len(workflows.readings) < 20


async def test_a_change_during_a_reading_is_read_once_more(workflows: Workflows, tmp_path: Path) -> None:
    workflows.reading_seconds = 0.05
    async with reconciling(workflows, tmp_path) as records:
        workflows.change()
        async with asyncio.timeout(60):
            await workflows.being_read.wait()
        workflows.change()
        await recorded(records, 2)
    assert workflows.readings == [1, 2]


async def test_no_change_no_reading(workflows: Workflows, tmp_path: Path) -> None:
    async with reconciling(workflows, tmp_path) as records:
        workflows.change()
        await recorded(records, 1)
        await asyncio.sleep(reconcile.REST * 3)
    assert workflows.readings == [1]


async def test_what_could_not_be_read_is_read_again(
    workflows: Workflows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "AGAIN", 0.05)
    workflows.away = 2
    async with reconciling(workflows, tmp_path) as records:
        workflows.change()
        await recorded(records, 1)


async def test_a_large_workflow_leaves_the_service_time_for_others(workflows: Workflows, tmp_path: Path) -> None:
    workflows.reading_seconds = 0.2
    async with reconciling(workflows, tmp_path) as records:
        begun = asyncio.get_running_loop().time()
        for _ in range(100):
            workflows.change()
            await asyncio.sleep(0.01)
        await recorded(records, 100)
        took = asyncio.get_running_loop().time() - begun
    assert len(workflows.readings) * workflows.reading_seconds < took / 2
