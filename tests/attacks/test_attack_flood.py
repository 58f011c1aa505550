"""The attacker sends large bodies that are wrong in every place, and need no right for it.

13 bodies of 1 MB in 8 s, each with tens of thousands of faults, made answers of up to 29 MB; the service was killed for
its memory.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from service.api.examples import ADDON, PREFLIGHT
from service.domain.job import JobType
from tests.attacks.listening import answer, is_cut_off, listening, until, wires
from tests.unit.api.test_app import is_problem
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, REBOOT, World

#: Bytes of the largest answer to a wrong request: 50 faults, each three times, with 100 characters of what was sent.
MOST = 100_000
MEGABYTE = 1_000_000


async def post(world: World, content: Any, path: str = JOBS, **settings: Any) -> httpx.Response:
    async with client_of(world.app(**settings)) as client:
        return await client.post(path, content=content)


async def test_of_a_caller_who_may_create_nothing_no_body_is_read() -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(16):
            read += 1
            yield b"x" * 65_536

    assert is_problem(await post(World(creates=set[JobType]()), body()), 403)
    assert read == 0


WRONG: dict[str, dict[str, Any]] = {
    "fields": REBOOT | {f"field{number}": number for number in range(28_000)},
    "long names": REBOOT | {f"{number}{'x' * 10_000}": 1 for number in range(90)},
    "long values": ADDON | {"batchCount": "x" * MEGABYTE},
    "numbers": ADDON | {"batchCount": 10**4_000},
    "variables": PREFLIGHT | {"env": {f"{number}.{'x' * 20}": "" for number in range(28_000)}},
    "resources": PREFLIGHT | {"resource": {f"r{number}": {} for number in range(28_000)}},
    "nodes": ADDON | {"excludedNodes": list(range(9_000))},
    "inputs": ADDON | {"inputs": [{"name": "x" * 80, "value": ""} for _ in range(9_000)]},
    "fields of inputs": ADDON | {"inputs": [{f"f{number}": 0 for number in range(28_000)}]},
    "unknown nodes": REBOOT | {"inputs": [{"name": "node", "value": f"{number:0200}"} for number in range(1_000)]},
    "paths": PREFLIGHT | {"hostpath": ["/" + "x" * 200] * 100},
    "not to be stored": REBOOT | {"name": ["\0"] * 28_000},
    "types": {"type": ["x" * MEGABYTE]},
    "image": PREFLIGHT | {"image": " " * MEGABYTE},
    "command": PREFLIGHT | {"entryPoint": "!" * MEGABYTE},
    "more values than any job has": {"a": [[]] * 200_000},
}


@pytest.mark.parametrize("kind", WRONG)
async def test_the_answer_to_a_wrong_body_is_small(kind: str) -> None:
    """Variants: every place in which a body can be wrong many times, or at length."""
    content = json.dumps(WRONG[kind]).encode()
    found = await post(World(), content, max_body_bytes=2 * MEGABYTE)
    assert is_problem(found, 400)
    assert len(found.content) < MOST
    assert len(found.json()["errors"]) <= 50
    assert "x" * 101 not in found.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{JOBS}?{'&'.join(f'p{number}=1' for number in range(5_000))}"),
        ("POST", f"{JOBS}?{'x' * 50_000}=1"),
        ("POST", f"{JOBS}?dryRun={'x' * 50_000}"),
        ("POST", f"{JOBS}?expectedPlan={'x' * 50_000}"),
        ("GET", f"{JOBS}?since={'x' * 30_000}&sortBy={'x' * 30_000}"),
        ("GET", f"{JOBS}/{'x' * 50_000}"),
        ("DELETE", f"{JOBS}/{'x' * 50_000}"),
        ("PUT", f"/{'x' * 50_000}"),
    ],
    ids=["names", "a name", "dryRun", "expectedPlan", "list", "id", "delete", "path"],
)
async def test_nor_is_the_answer_to_anything_else_that_is_wrong_large(method: str, path: str) -> None:
    async with client_of(World().app()) as client:
        found = await client.request(method, path, content=json.dumps(REBOOT))
    assert 400 <= found.status_code < 500
    assert len(found.content) < MOST
    assert "x" * 101 not in found.text


async def test_bodies_together_take_no_more_than_may_be_in_flight() -> None:
    """Variant: with the right to it, and every body good: 100 of them at once."""
    world = World(gate=asyncio.Event())
    app = world.app(max_bytes_in_flight=10_000, body_seconds=1.0, max_requests_per_caller=100)
    body = json.dumps(REBOOT).ljust(1_000)
    async with client_of(app) as client:
        flood = [asyncio.create_task(client.post(JOBS, content=body)) for _ in range(100)]
        refused, _ = await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
        first = refused.pop().result()
        assert is_problem(first, 503)
        assert int(first.headers["retry-after"]) > 0
        assert app.state.dependencies.body_memory.taken <= 5_000, "no caller takes more than half"
        async with client_of(app, "bob") as other:
            bobs = asyncio.create_task(other.post(JOBS, content=body))
            await until(lambda: app.state.dependencies.body_memory.taken > 5_000)
            assert world.gate
            world.gate.set()
            assert (await bobs).status_code == 200
        answers = await asyncio.gather(*flood)
    assert {found.status_code for found in answers} == {200, 503}
    assert app.state.dependencies.body_memory.taken == 0


async def test_a_body_that_does_not_say_its_length_counts_as_the_largest() -> None:
    world = World(gate=asyncio.Event())
    app = world.app(max_bytes_in_flight=20_000, max_body_bytes=5_000)

    async def body() -> AsyncIterator[bytes]:
        yield json.dumps(REBOOT).encode()

    async with client_of(app) as client:
        under_way = asyncio.create_task(client.post(JOBS, content=body()))
        await until(lambda: bool(world.looked_at))
        assert app.state.dependencies.body_memory.taken == 5_000
        assert world.gate
        world.gate.set()
        assert (await under_way).status_code == 200


async def test_a_reader_who_does_not_read_is_not_waited_for() -> None:
    """Variant: what is written for them would stay in memory as long as they like, with every connection again."""
    world = World()
    made = await post(world, json.dumps(REBOOT))
    job = world.jobs[made.json()["jobId"]]
    object.__setattr__(job, "options", {"env": {f"N{number}": "x" * 100_000 for number in range(100)}})
    app = world.app()
    request = f"GET {JOBS}/{job.job_id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\n\r\n".encode()
    async with listening(app) as port, wires(port) as [(reader, writer)]:
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # as who never calls recv
        writer.write(request)
        await asyncio.sleep(3)
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert not await is_cut_off(reader), "some of it was on its way"
    async with listening(app) as port, wires(port) as [(reader, writer)]:
        writer.write(request)
        assert len(await answer(reader)) > 10 * MEGABYTE, "who reads gets all of it"
