"""What GET shows of a job to those who do not own it, and how the calls about one job end."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from service.api.caller_limit import CallerLimit
from service.domain.cluster_objects import Caller
from service.domain.job import Job, JobType, Named, Plan, PlannedNode
from service.domain.phase import created
from tests.unit.api.test_app import is_problem
from tests.unit.api.wired import app_of

JOBS = "/api/v1/opsjobs"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def dumplog(*nodes: str, files: bool = True) -> Job:
    asked = {
        "workloads": [{"name": "train", "namespace": "team-a", "pods": ["train-0"]}],
        "nodeLogs": {"nodes": nodes, "leftOut": {}},
    }
    return Job(
        job_id="logs-a1b2c3",
        job_name="logs",
        type=JobType.DUMPLOG,
        cluster_id="local",
        user_id="alice",
        user_name="alice",
        created=NOW,
        conditions=(created(NOW, ""),),
        outputs=(Named("endpoint", "https://store/a?X-Amz-Signature=1"), Named("log", "s3://opsjobs/a")),
        work={"files": {"dumplog.json": json.dumps(asked)}} if files else {},
        plan=Plan((PlannedNode("node-1"),)),
    )


@dataclass
class World:
    """One job, and what everybody but its owner, who may see it, may do beside."""

    job: Job
    rights: set[str] = field(default_factory=set)
    looked_for: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None
    #: Whether rights hold cluster-wide, and the namespaces in which they were asked.
    everywhere: bool = True
    asked_in: set[str | None] = field(default_factory=set)

    async def get(self, job_id: str) -> Job | None:
        self.looked_for.append(job_id)
        self.asked.set()
        if self.gate:
            await self.gate.wait()
        return self.job if job_id == self.job.job_id else None

    async def caller(self, token: str) -> Caller:
        return Caller(token, token)

    async def workspaces(self, **_how: bool) -> dict[str, str]:
        return {}

    async def granted(self, _who: Caller, _verb: str, kinds: Iterable[JobType], _places: Any) -> frozenset[Any]:
        return frozenset((kind, None) for kind in kinds)

    async def may(self, _who: Caller, verb: str, _kind: str, namespace: str | None) -> bool:
        self.asked_in.add(namespace)
        return verb in {"get"} | self.rights and (self.everywhere or namespace is not None)

    async def may_get(self, _who: Caller, namespace: str, resource: str) -> bool:
        return f"{resource} {namespace}" in self.rights

    async def readable_nodes(self, _who: Caller, nodes: Iterable[str]) -> frozenset[str]:
        return frozenset(node for node in nodes if f"nodes/log {node}" in self.rights)


def app(world: World, turns: int = 10) -> FastAPI:
    here: Any = SimpleNamespace(cluster_id="local")
    return app_of(
        records=world,
        cluster=world,
        reviews=world,
        submission=here,
        caller_limit=CallerLimit(turns),
        max_body_bytes=100,
    )


async def ask(made: FastAPI, method: str, path: str, who: str = "bob", **given: Any) -> httpx.Response:
    transport = httpx.ASGITransport(made, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, path, headers={"Authorization": f"Bearer {who}"}, **given)


async def outputs(world: World, who: str = "bob") -> set[str]:
    answer = await ask(app(world), "GET", f"{JOBS}/{world.job.job_id}", who)
    assert answer.status_code == 200, answer.text
    assert ("X-Amz-Signature" in answer.text) == ("endpoint" in answer.text)
    return {output["name"] for output in answer.json()["outputs"]}


async def test_the_owner_of_a_dumplog_job_sees_its_link() -> None:
    assert await outputs(World(dumplog("node-1")), "alice") == {"endpoint", "log"}


@pytest.mark.parametrize(
    ("rights", "shown"),
    [
        (set(), False),
        ({"pods/log team-b"}, False),
        ({"pods/log team-a"}, False),
        ({"nodes/log node-1", "nodes/log node-2"}, False),
        ({"pods/log team-a", "nodes/log node-1"}, False),
        ({"pods/log team-a", "nodes/log node-1", "nodes/log node-2"}, True),
    ],
    ids=["none", "elsewhere", "no node", "no pods", "one node of two", "all of it"],
)
async def test_another_sees_the_link_only_with_rights_of_their_own(rights: set[str], *, shown: bool) -> None:
    assert ("endpoint" in await outputs(World(dumplog("node-1", "node-2"), rights))) == shown


async def test_what_another_cluster_calls_by_our_names_is_not_ours() -> None:
    """Its user alice and its namespace team-a are others: neither the owner's way nor the readers' is open here."""
    foreign = replace(dumplog(), cluster_id="other")
    assert "endpoint" not in await outputs(World(foreign, {"pods/log team-a"}), "alice")


@pytest.mark.parametrize(("method", "call"), [("POST", "/stop"), ("DELETE", "")])
async def test_a_job_of_another_cluster_is_changed_only_there(method: str, call: str) -> None:
    foreign = replace(dumplog(), cluster_id="other", workspace_id="team-a")
    world = World(foreign, {"update", "delete"})
    answer = await ask(app(world), method, f"{JOBS}/{foreign.job_id}{call}")
    assert answer.status_code == 409
    assert "cluster 'other'" in answer.json()["errorMessage"]
    assert world.asked_in == {None}


@pytest.mark.parametrize(("method", "call"), [("GET", ""), ("POST", "/stop"), ("DELETE", "")])
async def test_rights_of_this_cluster_say_nothing_of_anothers_workspaces(method: str, call: str) -> None:
    foreign = replace(dumplog(), cluster_id="other", workspace_id="team-a")
    world = World(foreign, {"update", "delete"}, everywhere=False)
    for who in ("alice", "bob"):
        answer = await ask(app(world), method, f"{JOBS}/{foreign.job_id}{call}", who)
        assert answer.status_code == 404
    assert world.asked_in == {None}


async def test_where_no_node_was_asked_the_right_to_the_pods_is_enough() -> None:
    assert "endpoint" in await outputs(World(dumplog(), {"pods/log team-a"}))


async def test_where_it_is_not_known_whose_logs_they_are_only_the_owner_sees_the_link() -> None:
    rights = {"pods/log team-a"}
    assert await outputs(World(dumplog(files=False), rights)) == {"log"}


async def test_the_outputs_of_other_types_are_for_whoever_may_see_the_job() -> None:
    assert "endpoint" in await outputs(World(replace(dumplog(), type=JobType.EXPORTIMAGE)))


@pytest.mark.parametrize("job_id", ["%00", "a%00", "A", "a_b", "-a", "a-", "1a", "a" * 64, "%F0%9F%98%80"])
@pytest.mark.parametrize(("method", "tail"), [("GET", ""), ("POST", "/stop"), ("DELETE", "")])
async def test_what_cannot_be_a_job_is_not_looked_for(method: str, tail: str, job_id: str) -> None:
    """A store may refuse to be asked for it: PostgreSQL takes no NUL."""
    world = World(dumplog())
    assert is_problem(await ask(app(world), method, f"{JOBS}/{job_id}{tail}"), 404)
    assert world.looked_for == []


@pytest.mark.parametrize(("method", "tail"), [("POST", "/stop"), ("DELETE", "")])
async def test_the_audit_line_of_a_refusal_says_what_it_was_about(method: str, tail: str) -> None:
    with capture_logs() as lines:
        answer = await ask(app(World(dumplog())), method, f"{JOBS}/logs-a1b2c3{tail}")
    assert is_problem(answer, 403)
    (line,) = (line for line in lines if line["event"] == "audit")
    assert (line["user"], line["job_id"], line["type"], line["nodes"]) == ("bob", "logs-a1b2c3", "dumplog", ["node-1"])


async def test_who_has_all_their_turns_under_way_is_answered_429() -> None:
    world = World(dumplog(), gate=asyncio.Event())
    made = app(world, turns=1)
    first = asyncio.create_task(ask(made, "GET", f"{JOBS}/logs-a1b2c3"))
    await world.asked.wait()
    second = await ask(made, "GET", f"{JOBS}/logs-a1b2c3")
    assert is_problem(second, 429)
    assert second.headers["retry-after"] == "1"
    assert world.gate is not None
    world.gate.set()
    assert (await first).status_code == 200
    assert (await ask(made, "GET", f"{JOBS}/logs-a1b2c3")).status_code == 200


async def test_a_body_that_does_not_say_how_long_it_is_ends_at_the_limit() -> None:
    sent: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while len(sent) < 1000:
            sent.append(1)
            yield b" " * 64

    assert is_problem(await ask(app(World(dumplog())), "POST", JOBS, content=endless()), 413)
