"""GET /{id}/events over a real store: what a follower reads (contract: Following a job)."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.domain.cluster_objects import Caller, Workspace
from service.domain.job import Condition, Job, NodePhase, Phase, Plan, PlannedNode
from service.jobs import job_followers
from service.jobs.ports import Records
from service.records import listening, open_records
from tests.new_store import new_store
from tests.records_suite.example import NOON, a_job
from tests.unit.api.wired import app_of, client_of

JOB = "upgrade-abc123"
URL = f"/api/v1/opsjobs/{JOB}"
BEGUN = a_job(
    JOB,
    user_id="id-alice",
    phase=Phase.RUNNING,
    plan=Plan((PlannedNode("n1", NodePhase.RUNNING, start=NOON), PlannedNode("n2"))),
    conditions=(Condition(Phase.PENDING, "Created", "job created", NOON),),
)

Events = list[tuple[str, str, Any]]


class Reviews:
    async def caller(self, token: str) -> Caller:
        return Caller(f"id-{token}", token)

    async def may(self, *_asked: object) -> bool:
        return False


class Cluster:
    async def workspaces(self, **_how: bool) -> dict[str, Workspace]:
        return {}


@pytest.fixture
async def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Records]:
    monkeypatch.setattr(listening, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(job_followers, "REST", 0.01)
    async with open_records(await new_store(tmp_path)) as records:
        yield records


@pytest.fixture
async def client(records: Records) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_of(records=records, reviews=Reviews(), cluster=Cluster())) as client:
        yield client


def events(text: str) -> Events:
    """Name, id and data of each; comments are none."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
        if lines:
            found.append((lines["event"], lines["id"], json.loads(lines["data"])))
    return found


def ended(job: Job) -> Job:
    nodes = tuple(replace(node, phase=NodePhase.SUCCEEDED) for node in job.plan.nodes)
    return replace(job, phase=Phase.SUCCEEDED, ended=NOON, plan=Plan(nodes))


async def looked_at(looked: set[int], version: int) -> None:
    while version not in looked:  # noqa: ASYNC110 - a set tells nobody
        await asyncio.sleep(0.01)


async def test_first_the_job_as_get_shows_it_then_what_happens_until_its_end(
    client: httpx.AsyncClient, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: set[int] = set()
    versions = records.versions

    async def noted(job_ids: list[str]) -> dict[str, int]:
        found = dict(await versions(job_ids))
        looked.update((0, *found.values()))
        return found

    monkeypatch.setattr(records, "versions", noted)
    await records.add(BEGUN)
    shown = (await client.get(URL)).json()
    following = asyncio.create_task(client.get(f"{URL}/events"))
    async with asyncio.timeout(60):
        await looked_at(looked, 0)
        # What no reader sees: nothing is told of it, and the stream goes on.
        await records.change(JOB, lambda job: replace(job, workflow_version="7"))
        await looked_at(looked, 1)
    await records.change(JOB, ended)
    async with asyncio.timeout(30):
        answer = await following
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    first, *rest = events(answer.text)
    assert first == ("job", "0", shown)
    assert [name for name, _, _ in rest] == ["phase", "node", "node", "progress", "end"]
    assert {version for _, version, _ in rest} == {"2"}
    assert rest[-1][2]["phase"] == "Succeeded"


async def test_who_comes_back_has_every_condition_and_each_node_once(
    client: httpx.AsyncClient, records: Records
) -> None:
    await records.add(BEGUN)
    await records.change(JOB, ended)
    answer = await client.get(f"{URL}/events", headers={"Last-Event-ID": "0"})
    found = events(answer.text)
    assert [name for name, _, _ in found] == ["phase", "condition", "node", "node", "progress", "end"]
    assert [data["phase"] for name, _, data in found if name == "node"] == ["Succeeded", "Succeeded"]


async def test_a_job_that_has_ended_is_shown_and_ends(client: httpx.AsyncClient, records: Records) -> None:
    await records.add(ended(BEGUN))
    answer = await client.get(f"{URL}/events", headers={"Last-Event-ID": "not a version"})
    assert [name for name, _, _ in events(answer.text)] == ["job", "end"]


async def test_a_large_job_is_shown_whole(client: httpx.AsyncClient, records: Records) -> None:
    """Its script may be a megabyte, more than a reader may be behind."""
    text = "A" * 1_400_000
    await records.add(replace(ended(BEGUN), options={"image": "i", "note": text}, job_name=text))
    answer = await client.get(f"{URL}/events")
    assert events(answer.text)[0][2]["jobName"] == text


async def test_another_callers_job_is_404(records: Records) -> None:
    await records.add(BEGUN)
    async with client_of(app_of(records=records, reviews=Reviews(), cluster=Cluster()), who="bob") as bob:
        answers = [await bob.get(f"{URL}/events"), await bob.get("/api/v1/opsjobs/unknown-abc123/events")]
    assert [(answer.status_code, answer.json()["errorCode"]) for answer in answers] == [(404, "UNKNOWN_JOB")] * 2
