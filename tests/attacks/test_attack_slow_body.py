"""The attacker sends the headers of a request while their account is good, and the body when it is not any more.

Of an account that was deleted in between, a job was started 62 s later.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from service.domain.job import JobType
from tests.attacks.listening import LONG, answer, is_cut_off, listening, wires
from tests.unit.api.test_app import is_problem
from tests.unit.api.test_retrying import ended as retried_job
from tests.unit.api.test_rollouts import under_way as steered_job
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, REBOOT, World

BODY = json.dumps(REBOOT).encode()


async def post_in_parts(
    world: World, between: asyncio.Event | None = None, *, then: str = "", path: str = JOBS, body: bytes = BODY
) -> httpx.Response:
    """A part of the body, then alice loses what `then` says, then the rest (never, where `between` is never set)."""

    async def parts() -> AsyncIterator[bytes]:
        yield body[:1]
        if between:
            await between.wait()
        if then == "account":
            world.unknown_tokens.add("alice")
        elif then == "right":
            world.creates.clear()
            world.verbs.clear()
        elif then == "another":
            world.renamed["alice"] = "mallory"
        yield body[1:]

    async with client_of(world.app(body_seconds=0.5)) as client:
        return await client.post(path, content=parts())


async def test_an_account_that_was_deleted_meanwhile_starts_nothing() -> None:
    world = World()
    assert is_problem(await post_in_parts(world, then="account"), 401)
    assert world.jobs == {}


async def test_nor_does_one_whose_right_was_withdrawn() -> None:
    world = World()
    assert is_problem(await post_in_parts(world, then="right"), 403)
    assert world.jobs == {}


async def test_nor_one_of_that_name_which_was_made_anew() -> None:
    """Variant: the account is deleted and another one of its name made: its token is not this one's."""
    world = World()
    assert is_problem(await post_in_parts(world, then="another"), 401)
    assert world.jobs == {}


@pytest.mark.parametrize(("then", "status"), [("account", 401), ("another", 401), ("right", 404)])
@pytest.mark.parametrize("call", ["retry", "pause", "resume", "advance"])
async def test_nor_is_a_job_of_others_changed_or_run_again(call: str, then: str, status: int) -> None:
    """Variant: the calls that a job has, whose bodies are small, and take as long as their client likes."""
    job = retried_job() if call == "retry" else steered_job()
    job = replace(job, user_id="id-bob")
    world = World(jobs={job.job_id: job}, verbs={"get", "list", "update", "create"})
    path = f"{JOBS}/{job.job_id}/{call}"
    assert is_problem(await post_in_parts(world, then=then, path=path, body=b"{}"), status)
    assert world.jobs == {job.job_id: job}
    assert world.steered == []


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    world = World()
    found = await post_in_parts(world, asyncio.Event())
    assert is_problem(found, 408)
    assert found.headers["connection"] == "close"
    assert world.jobs == {}


async def test_nor_one_that_comes_a_byte_at_a_time() -> None:
    """Variant: never silent, never ready."""

    async def dribble() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    async with client_of(World().app(body_seconds=0.5)) as client:
        async with asyncio.timeout(LONG):
            assert is_problem(await client.post(JOBS, content=dribble()), 408)


@pytest.mark.parametrize("size", [10, 1_000_000])
async def test_who_was_refused_before_the_body_does_not_keep_the_connection_by_it(size: int) -> None:
    """Variant: 403 at once, and the rest of the body never, or a byte at a time."""
    world = World(creates=set[JobType]())
    head = f"POST {JOBS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nContent-Length: {size}\r\n\r\n"
    async with listening(world.app()) as port, wires(port) as [(reader, writer)]:
        writer.write(head.encode() + b"{")
        assert (await answer(reader)).startswith(b"HTTP/1.1 403")
        assert await is_cut_off(reader)
