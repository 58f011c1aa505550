"""Who has no token sends a body in chunks of a byte each.

360 KB of them held up the whole service for 0.4 s, and a few connections of that kind a second had it killed by its
liveness probe: what a chunk costs does not depend on its size, and the client chooses that.
"""

import asyncio
import json

import pytest

from tests.attacks.listening import LONG, answer, listening, wires
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, REBOOT, World

BODY = json.dumps(REBOOT).encode()


def head(token: str) -> bytes:
    lines = (f"POST {JOBS} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", "Transfer-Encoding: chunked")
    return "\r\n".join((*lines, "", "")).encode()


def chunks(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


async def is_sent(writer: asyncio.StreamWriter, size: int) -> bool:
    """Whether two megabytes can be sent in chunks of that size before the connection is gone."""
    try:
        async with asyncio.timeout(LONG):
            for _ in range(20):
                writer.write(chunks(b" " * 100_000, size))
                await writer.drain()
                await asyncio.sleep(0.01)
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("token", ["alice", "stranger"])
@pytest.mark.parametrize("size", [1, 40])
async def test_whoever_sends_a_body_in_crumbs_is_cut_off(token: str, size: int) -> None:
    world = World()
    world.unknown_tokens.add("stranger")
    async with listening(world.app()) as port, wires(port) as [(_, writer)]:
        writer.write(head(token))
        assert not await is_sent(writer, size)
    assert world.jobs == {}


@pytest.mark.parametrize("size", [1, 7, 64, 4096])
async def test_a_body_of_usual_length_may_come_in_chunks_of_any_size(size: int) -> None:
    """Programs write JSON piece by piece."""
    world = World()
    async with listening(world.app()) as port, wires(port) as [(reader, writer)]:
        writer.write(head("alice") + chunks(BODY, size) + b"0\r\n\r\n")
        assert b" 200 " in await answer(reader)
        large = BODY.ljust(100_000)
        writer.write(head("alice") + chunks(large, 1024) + b"0\r\n\r\n")
        assert b" 200 " in await answer(reader)


async def test_whoever_hangs_up_in_the_middle_of_a_body_is_no_fault_of_the_services() -> None:
    """It was logged with a traceback, and counted as a 500."""
    world = World()
    app = world.app()
    async with listening(app) as port:
        async with wires(port) as [(_, writer)]:
            writer.write(head("alice") + chunks(BODY[:20], 20))
            await writer.drain()
            await asyncio.sleep(0.2)
        async with client_of(app) as client:
            metrics = (await client.get("/metrics")).text
    assert 'status="500"' not in metrics
    assert world.jobs == {}
