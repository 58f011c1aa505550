"""GET, PUT and DELETE /api/v1/freeze (contract: the command line and the console)."""

from typing import Any

import pytest

from tests.unit.api.wired import client_of
from tests.unit.api.world import World

URL = "/api/v1/freeze"
NOT_FROZEN = {"frozen": False, "by": "", "reason": "", "since": ""}


async def test_everybody_sees_who_froze_the_cluster_and_why() -> None:
    world = World()
    async with client_of(world.app()) as client, client_of(world.app(), who="bob") as bob:
        assert (await bob.get(URL)).json() == NOT_FROZEN
        put = await client.put(URL, json={"reason": " storage "})
        shown = await bob.get(URL)
        same = await bob.get(URL, headers={"If-None-Match": shown.headers["ETag"]})
        deleted = [await client.delete(URL) for _ in range(2)]
        after = await bob.get(URL)
    assert (put.status_code, put.content) == (200, b"")
    assert shown.json() | {"since": ""} == {"frozen": True, "by": "alice", "reason": "storage", "since": ""}
    assert shown.json()["since"].endswith("Z")
    assert same.status_code == 304
    assert [(one.status_code, one.content) for one in deleted] == [(200, b"")] * 2
    assert after.json() == NOT_FROZEN


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_who_may_not_is_told_which_right_it_is(method: str) -> None:
    world = World(freezes=False)
    async with client_of(world.app()) as client:
        answer = await client.request(method, URL, json={"reason": "x"})
    assert answer.status_code == 403
    assert "update on freeze.opsjob.io" in answer.json()["errorMessage"]
    assert world.frozen is None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "reason"),
        ({"reason": " "}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"reason": "x", "by": "bob"}, "by"),
    ],
)
async def test_a_reason_is_needed_and_bounded_and_nothing_else_is_taken(body: dict[str, Any], path: str) -> None:
    world = World()
    async with client_of(world.app()) as client:
        answer = await client.put(URL, json=body)
    assert answer.status_code == 400
    assert [fault["path"] for fault in answer.json()["errors"]] == [path]
    assert world.frozen is None


async def test_the_right_is_asked_again_when_the_body_has_come() -> None:
    world = World()

    async def slowly() -> Any:
        yield b'{"reason": '
        world.freezes = False
        yield b'"storage"}'

    async with client_of(world.app()) as client:
        answer = await client.put(URL, content=slowly(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 403
    assert world.frozen is None
