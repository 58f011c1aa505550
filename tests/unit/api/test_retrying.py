"""POST …/retry over HTTP: the answer, what it is refused with, and in which order."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from service.domain.job import Job, JobType, Named, NodePhase, Phase, Plan, PlannedNode
from service.jobs.ports import Claim, IdempotencyKey
from tests.records_suite.example import a_job
from tests.unit.api.test_app import is_problem
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, World

OLD = "upgrade-abc123"
SNAPSHOT = json.dumps({"templates": [{"name": "fix", "script": "the text of then"}]})


def ended(**fields: Any) -> Job:
    nodes = (PlannedNode("n1", NodePhase.FAILED), PlannedNode("n2", NodePhase.SKIPPED))
    plain: dict[str, Any] = {
        "user_id": "id-alice",
        "cluster_id": "local",
        "phase": Phase.FAILED,
        "plan": Plan(nodes),
        "inputs": (Named("cluster", "local"), Named("addon.template", "fix")),
        "work": {"files": {"addons.json": SNAPSHOT}},
        "options": {"batchCount": 2},
    }
    return a_job(OLD, **plain | fields)


def world(job: Job | None = None, *verbs: str) -> World:
    kept = ended() if job is None else job
    return World(jobs={kept.job_id: kept}, verbs=set(verbs or ("update",)))


async def post(here: World, body: Any = None, tail: str = f"/{OLD}/retry", **sent: Any) -> httpx.Response:
    async with client_of(here.app(), sent.pop("who", "alice")) as client:
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body)
        return await client.post(f"{JOBS}{tail}", content=content, **sent)


@pytest.mark.parametrize(
    ("body", "nodes"),
    [
        (None, ("n1", "n2")),
        ({}, ("n1", "n2")),
        ({"which": "both"}, ("n1", "n2")),
        ({"which": "failed"}, ("n1",)),
        ({"which": "notBegun"}, ("n2",)),
    ],
)
async def test_a_new_job_on_those_nodes_runs_the_text_of_then(body: Any, nodes: tuple[str, ...]) -> None:
    here = world()
    answer = await post(here, body)
    assert answer.status_code == 200, answer.text
    job_id = answer.json()["jobId"]
    assert answer.json() == {"jobId": job_id}
    assert answer.headers["Location"] == f"{JOBS}/{job_id}"
    made = here.jobs[job_id]
    assert made.plan.names == nodes
    assert made.work["files"]["addons.json"] == SNAPSHOT
    assert (made.retry_of, made.user_id, made.options["batchCount"]) == (OLD, "id-alice", 2)
    async with client_of(here.app()) as client:
        assert (await client.get(f"{JOBS}/{job_id}")).json()["retryOf"] == OLD
        assert "retryOf" not in (await client.get(f"{JOBS}/{OLD}")).json()


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"which": "all"}, "which", "INVALID_VALUE"),
        ({"which": 5}, "which", "INVALID_VALUE"),
        ({"which": None}, "which", "INVALID_VALUE"),
        ({"nodes": ["n1"]}, "nodes", "UNKNOWN_FIELD"),
        (b"{", "", "INVALID_JSON"),
        (b"[]", "", "INVALID_JSON"),
    ],
)
async def test_a_faulty_body_is_refused_with_where_it_is(body: Any, path: str, code: str) -> None:
    here = world()
    answer = await post(here, body)
    assert is_problem(answer, 400)
    assert [(fault["path"], fault["errorCode"]) for fault in answer.json()["errors"]] == [(path, code)]
    assert list(here.jobs) == [OLD]


@pytest.mark.parametrize("query", ["?dryRun=true", "?which=failed"])
async def test_nothing_in_the_query_is_ignored(query: str) -> None:
    here = world()
    assert is_problem(await post(here, tail=f"/{OLD}/retry{query}"), 400)
    assert list(here.jobs) == [OLD]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"phase": Phase.RUNNING}, 409, "JOB_RUNS"),
        ({"hidden": True}, 409, "JOB_DELETED"),
        ({"plan": Plan((PlannedNode("n1", NodePhase.SUCCEEDED),))}, 400, "NOTHING_TO_RETRY"),
        ({"type": JobType.PREFLIGHT}, 400, "NOT_FOR_THIS_TYPE"),
        ({"cluster_id": "another", "user_id": "x"}, 409, "CONFLICT"),
        ({"plan": Plan((PlannedNode("n9", NodePhase.FAILED),))}, 400, "NO_NODE_LEFT"),
        ({"work": {"files": {"addons.json": SNAPSHOT.replace("fix", "gone")}}}, 400, "UNKNOWN_TEMPLATE"),
    ],
)
async def test_a_job_that_cannot_be_retried(fields: dict[str, Any], status: int, code: str) -> None:
    here = world(ended(**fields))
    answer = await post(here)
    assert is_problem(answer, status)
    assert answer.json()["errorCode"] == code
    assert list(here.jobs) == [OLD]


@pytest.mark.parametrize("who", ["alice", "bob"])
@pytest.mark.parametrize(
    ("verbs", "creates"), [(("update",), set()), ((), {JobType.ADDON})], ids=["no create", "no update"]
)
async def test_both_rights_are_asked_now_of_the_owner_too(
    who: str, verbs: tuple[str, ...], creates: set[JobType]
) -> None:
    here = world(None, "get", *verbs)
    here.creates = creates
    assert is_problem(await post(here, who=who), 403)
    assert list(here.jobs) == [OLD]
    assert here.looked_at == []


async def test_a_job_that_the_caller_may_not_see_is_not_there() -> None:
    here = world()
    here.verbs = set()
    assert is_problem(await post(here, who="bob"), 404)
    assert is_problem(await post(here, tail="/none-abc123/retry"), 404)


async def test_who_retries_anothers_job_owns_the_new_one() -> None:
    here = world()
    answer = await post(here, who="bob")
    assert here.jobs[answer.json()["jobId"]].user_id == "id-bob"


async def test_a_key_that_stands_for_a_job_makes_no_other_and_is_that_of_one_retry() -> None:
    here = world()
    seen: list[IdempotencyKey] = []

    async def claim(*asked: Any) -> Claim:
        seen.append(asked[0])
        return Claim(job_id="first-abc123")

    here.claim = claim  # type: ignore[method-assign]
    here.jobs["other-abc123"] = replace(ended(), job_id="other-abc123")
    keyed = {"headers": {"Idempotency-Key": "k"}}
    for tail, body in ((f"/{OLD}/retry", None), (f"/{OLD}/retry", {}), (f"/{OLD}/retry", {"which": "failed"})):
        assert (await post(here, body, tail, **keyed)).json() == {"jobId": "first-abc123"}
    await post(here, None, "/other-abc123/retry", **keyed)
    assert len({key.fingerprint for key in seen}) == 3
    assert seen[0].fingerprint == seen[1].fingerprint
    assert is_problem(await post(here, headers={"Idempotency-Key": ""}), 400)
    assert set(here.jobs) == {OLD, "other-abc123"}
