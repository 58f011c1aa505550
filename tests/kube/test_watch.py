"""The watch of Workflows on the real apiserver."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import pytest

from service.jobs.ports import WorkflowEvent
from service.kube import manifest
from service.kube.client import METADATA, Api, GoneError, KubeSettings
from service.kube.collection_watch import Pace, event_error
from service.kube.watch import WorkflowWatch
from service.kube.workflows import Workflows
from tests.kube.conftest import NOBODYS, WAITING_TEMPLATE
from tests.kube.jobs import a_job
from workflow_templates.protocol import labels


class Following:
    """Takes events up in the background, so that a test can wait for one that it describes."""

    def __init__(self) -> None:
        self.events: list[WorkflowEvent] = []
        self.changed = asyncio.Condition()

    async def take(self, source: AsyncIterator[WorkflowEvent]) -> None:
        async for event in source:
            async with self.changed:
                self.events.append(event)
                self.changed.notify_all()

    async def until(self, **wanted: object) -> WorkflowEvent:
        def found() -> list[WorkflowEvent]:
            return [
                event for event in self.events if all(getattr(event, key) == value for key, value in wanted.items())
            ]

        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(lambda: bool(found()))
        return found()[-1]


@contextlib.asynccontextmanager
async def following(api: Api, workflows: Workflows, pace: Pace | None = None) -> AsyncIterator[Following]:
    watcher = Following()
    task = asyncio.create_task(watcher.take(WorkflowWatch(api, workflows.workflows_path, labels.JOB_ID, pace).events()))
    try:
        yield watcher
    finally:
        task.cancel()
        await asyncio.wait([task])


async def quiet(api: Api, workflows: Workflows, settings: KubeSettings, label: str = "") -> str:
    """A Workflow of ours that no controller touches; answers its name."""
    job = a_job(WAITING_TEMPLATE)
    made = manifest.workflow(job, settings)
    made["metadata"]["labels"] |= NOBODYS | ({"kubetest": label} if label else {})
    await api.create(workflows.workflows_path, made)
    return job.job_id


@pytest.mark.alone
async def test_what_exists_is_listed_and_what_happens_is_seen_at_once(
    api: Api, settings: KubeSettings, workflows: Workflows
) -> None:
    there = await quiet(api, workflows, settings)
    async with following(api, workflows) as watcher:
        listed = await watcher.until(name=None)
        assert there in listed.seen
        delays = []
        for _ in range(20):
            begun = time.monotonic()
            name = await quiet(api, workflows, settings)
            await watcher.until(name=name)
            delays.append(time.monotonic() - begun)
        await workflows.delete_workflow(name)
        await workflows.remove_finalizer(name)
        await watcher.until(name=name, deleted=True)
    assert sorted(delays)[-2] < 0.5


async def test_another_ones_workflows_are_not_ours_to_see(
    api: Api, settings: KubeSettings, workflows: Workflows
) -> None:
    foreign = manifest.workflow(a_job(WAITING_TEMPLATE), settings)
    foreign["metadata"] |= {"labels": NOBODYS, "finalizers": []}
    async with following(api, workflows) as watcher:
        await watcher.until(name=None)
        await api.create(workflows.workflows_path, foreign)
        await watcher.until(name=await quiet(api, workflows, settings))
    assert foreign["metadata"]["name"] not in {event.name for event in watcher.events}


async def test_watches_that_end_lose_nothing(api: Api, settings: KubeSettings, workflows: Workflows) -> None:
    pace = Pace(watch=1, jitter=0, resync=600)
    async with following(api, workflows, pace) as watcher:
        await watcher.until(name=None)
        names = []
        for _ in range(30):  # across several watches of a second each
            names.append(await quiet(api, workflows, settings))
            await asyncio.sleep(0.1)
        for name in names:
            await watcher.until(name=name)
    assert len([event for event in watcher.events if event.name is None]) == 1


async def test_a_long_list_comes_in_pages_and_whole(api: Api, settings: KubeSettings, workflows: Workflows) -> None:
    names = []
    for _ in range(30):
        names += await asyncio.gather(*(quiet(api, workflows, settings) for _ in range(20)))
    async with following(api, workflows) as watcher:
        listed = await watcher.until(name=None)
    assert set(names) <= listed.seen
    assert len(listed.seen) > 500


async def test_a_version_that_is_too_old_is_told_apart_from_other_failures(api: Api, workflows: Workflows) -> None:
    with pytest.raises(GoneError):
        await first_change_since("1", api, workflows)


async def first_change_since(version: str, api: Api, workflows: Workflows) -> None:
    query: dict[str, str | int] = {"watch": "true", "resourceVersion": version, "timeoutSeconds": 5}
    async for line in api.lines(workflows.workflows_path, query, accept=METADATA, silence=10):
        raise event_error(json.loads(line)["object"], "workflow")
