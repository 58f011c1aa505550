"""POST: what a query means, in which order a request is refused, and that a plan which was shown is what runs."""

import json
from typing import Any

import httpx
import pytest

from service.api.examples import PREFLIGHT
from service.domain.cluster_objects import Node
from service.domain.job import JobType
from tests.unit.api.test_app import is_problem
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, REBOOT, World

CHECK = PREFLIGHT | {"inputs": [{"name": "cluster", "value": "local"}], "hostpath": []}
ADDON: dict[str, Any] = {
    "name": "x",
    "type": "addon",
    "inputs": [{"name": "node", "value": "n1"}, {"name": "addon.template", "value": "fix"}],
}


async def post(world: World, body: Any = None, query: str = "", **headers: str) -> httpx.Response:
    async with client_of(world.app()) as client:
        content = json.dumps(REBOOT if body is None else body)
        return await client.post(f"{JOBS}{query}", content=content, headers=headers)


def faults(answer: httpx.Response) -> dict[str, str]:
    assert is_problem(answer, 400), answer.text
    return {fault["path"]: fault["errorCode"] for fault in answer.json()["errors"]}


@pytest.mark.parametrize("spelling", ["=true", "=True", "=1", "=yes", "=All", "", "="])
async def test_whoever_wants_a_look_gets_a_look(spelling: str) -> None:
    """?dryRun=True, as generated clients spell it, rebooted the node."""
    world = World()
    answer = await post(world, query=f"?dryRun{spelling}")
    assert answer.status_code == 200
    assert [node["name"] for node in answer.json()["plan"]["nodes"]] == ["n1"]
    assert world.jobs == {}


@pytest.mark.parametrize("spelling", ["=false", "=0", "=no"])
async def test_whoever_says_that_it_is_none_gets_a_job(spelling: str) -> None:
    world = World()
    assert (await post(world, query=f"?dryRun{spelling}")).json()["jobId"] in world.jobs


@pytest.mark.parametrize(
    ("query", "path", "code"),
    [
        ("?dryRun=maybe", "dryRun", "INVALID_VALUE"),
        ("?dryRun=TRUE", "dryRun", "INVALID_VALUE"),
        ("?dryRun=%20true", "dryRun", "INVALID_VALUE"),
        ("?dryRun=true&dryRun=false", "dryRun", "CONTRADICTION"),
        ("?dryrun=true", "dryrun", "UNKNOWN_PARAMETER"),
        ("?dry_run=true", "dry_run", "UNKNOWN_PARAMETER"),
        ("?DryRun", "DryRun", "UNKNOWN_PARAMETER"),
        ("?dry-run=1", "dry-run", "UNKNOWN_PARAMETER"),
        ("?force=yes", "force", "UNKNOWN_PARAMETER"),
        ("?expectedPlan=abc", "expectedPlan", "INVALID_VALUE"),
        ("?expectedPlan=", "expectedPlan", "INVALID_VALUE"),
        ("?expected_plan=abc", "expected_plan", "UNKNOWN_PARAMETER"),
    ],
)
async def test_nothing_in_the_query_of_a_post_is_ignored(query: str, path: str, code: str) -> None:
    world = World()
    assert faults(await post(world, query=query)) == {path: code}
    assert world.jobs == {}


@pytest.mark.parametrize(("method", "tail"), [("POST", "/a-1/stop"), ("DELETE", "/a-1")])
async def test_the_other_calls_that_change_something_know_no_parameters(method: str, tail: str) -> None:
    async with client_of(World().app()) as client:
        answer = await client.request(method, f"{JOBS}{tail}?dryRun=true")
    assert faults(answer) == {"dryRun": "UNKNOWN_PARAMETER"}


async def test_a_misspelt_parameter_is_named_with_what_was_meant_and_sent() -> None:
    message = (await post(World(), query="?dry_run=true")).json()["errorMessage"]
    assert all(part in message for part in ("dry_run", "did you mean dryRun?", "'true' was sent"))


async def test_what_was_shown_is_what_runs() -> None:
    world = World()
    digest = (await post(world, ADDON, "?dryRun")).json()["planDigest"]
    assert (await post(world, ADDON, "?dryRun")).json()["planDigest"] == digest
    assert (await post(world, ADDON, f"?expectedPlan={digest}")).status_code == 200
    world.node_list[0] = Node("n1", ready=False)
    changed = await post(world, {**ADDON, "inputs": [*ADDON["inputs"], {"name": "node", "value": "n2"}]}, "?dryRun")
    assert changed.json()["planDigest"] != digest


@pytest.mark.parametrize("becomes", ["a script", "a node"])
async def test_a_plan_that_has_become_another_is_not_run(becomes: str) -> None:
    world = World()
    body = {**ADDON, "inputs": [{"name": "cluster", "value": "local"}, ADDON["inputs"][1]]}
    digest = (await post(world, body, "?dryRun")).json()["planDigest"]
    if becomes == "a script":
        world.scripts["fix"] = "rm -rf /"
    else:
        world.node_list.append(Node("n4"))
    for query in (f"?expectedPlan={digest}", f"?dryRun&expectedPlan={digest}"):
        answer = await post(world, body, query)
        assert is_problem(answer, 409)
        assert answer.json()["errorCode"] == "PLAN_CHANGED"
    assert world.jobs == {}


async def test_the_digest_of_a_preflight_is_the_same_for_the_same_plan() -> None:
    """Its checks reach each other by names that are made anew for each job."""
    digests = {(await post(World(), CHECK, "?dryRun")).json()["planDigest"] for _ in range(2)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (REBOOT | {"batchCount": 2}, {}),
        (REBOOT | {"inputs": [{"name": "node", "value": "n9"}]}, {}),
        (REBOOT | {"inputs": [{"name": "cluster", "value": "other"}]}, {}),
        (REBOOT, {"Idempotency-Key": " "}),
        (REBOOT, {"Idempotency-Key": "k" * 256}),
        (ADDON | {"inputs": [ADDON["inputs"][0], {"name": "addon.template", "value": "none"}]}, {}),
    ],
    ids=["form", "node", "cluster", "empty key", "long key", "template"],
)
async def test_what_a_dry_run_refuses_a_real_request_is_refused_for(body: Any, headers: dict[str, str]) -> None:
    world = World()
    shown, real = await post(world, body, "?dryRun", **headers), await post(world, body, **headers)
    assert faults(shown) == faults(real)
    assert world.jobs == {}


async def test_faults_of_the_plan_are_not_hidden_by_those_of_the_form() -> None:
    body = REBOOT | {"name": "!!", "batchCount": 1, "inputs": [{"name": "node", "value": "n9"}]}
    found = await post(World(), body, "?dryrun=1")
    assert set(faults(found)) == {"dryrun", "name", "batchCount", "inputs[0].value"}


async def test_nor_by_what_a_preflight_needs_and_lacks() -> None:
    body = {key: value for key, value in CHECK.items() if key not in ("image", "name")} | {"hostpath": ["/etc"]}
    assert set(faults(await post(World(), body))) == {"image", "name", "hostpath[0]"}


async def test_who_may_not_create_the_type_learns_nothing_of_the_cluster_from_a_faulty_request() -> None:
    world = World(creates={JobType.ADDON})
    body = REBOOT | {"name": "!!", "inputs": [{"name": "node", "value": "n9"}]}
    assert set(faults(await post(world, body))) == {"name"}
    assert world.looked_at == []
    assert is_problem(await post(world, REBOOT), 403)
    assert world.looked_at == []


async def test_the_error_code_tells_kinds_apart() -> None:
    one = await post(World(), REBOOT | {"batchcount": 1})
    assert one.json()["errorCode"] == "UNKNOWN_FIELD"
    two = await post(World(), REBOOT | {"batchcount": 1, "name": 7})
    assert two.json()["errorCode"] == "BAD_REQUEST"
    assert faults(two) == {"batchcount": "UNKNOWN_FIELD", "name": "INVALID_VALUE"}


async def test_a_job_is_shown_with_a_tag_until_it_changes() -> None:
    world = World()
    job_id = (await post(world)).json()["jobId"]
    async with client_of(world.app()) as client:
        first = await client.get(f"{JOBS}/{job_id}")
        tag = first.headers["etag"]
        same = await client.get(f"{JOBS}/{job_id}", headers={"If-None-Match": f'"other", W/{tag}'})
        any_of_it = await client.get(f"{JOBS}/{job_id}", headers={"If-None-Match": "*"})
        other = await client.get(f"{JOBS}/{job_id}", headers={"If-None-Match": '"other"'})
    assert [answer.status_code for answer in (first, same, any_of_it, other)] == [200, 304, 304, 200]
    assert same.content == b""
    assert {answer.headers["etag"] for answer in (first, same, other)} == {tag}
    assert {answer.headers["cache-control"] for answer in (first, same)} == {"private, no-cache"}
