"""The attacker opens connections and never finishes what they begin to say: no token is needed for that.

Of 800 connections with half a header, 800 were still open after 38 s, and would have been for ever.
"""

import asyncio
import contextlib

import httpx
import pytest

from tests.attacks.listening import BRIEF, LONG, answer, is_cut_off, listening, wires
from tests.unit.api.world import JOBS, World

HALF = b"GET /api/v1/opsjobs HTTP/1.1\r\nHost: x\r\nX-Half: "


async def test_eight_hundred_half_sent_headers_are_gone_in_a_moment() -> None:
    async with listening(World().app()) as port, wires(port, 800) as opened:
        for _, writer in opened:
            writer.write(HALF)
        assert await asyncio.gather(*(is_cut_off(reader) for reader, _ in opened)) == [True] * 800


async def test_a_caller_is_answered_meanwhile() -> None:
    async with listening(World().app()) as port, wires(port, 200) as opened:
        for _, writer in opened:
            writer.write(HALF)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=LONG) as client:
            found = await client.get(f"{JOBS}/a-1", headers={"Authorization": "Bearer alice"})
        assert found.status_code == 404


@pytest.mark.parametrize("first", [b"", b"G", b"GET / HTTP/1.1\r\n"], ids=["nothing", "one byte", "no end"])
async def test_nor_does_any_other_half_stay(first: bytes) -> None:
    """Variants: a connection that says nothing at all, and others that stop elsewhere."""
    async with listening(World().app()) as port, wires(port) as [(reader, writer)]:
        writer.write(first)
        assert await is_cut_off(reader)


async def test_nor_one_that_goes_on_saying_a_little() -> None:
    """Variant: a byte now and then, so that it is never silent for long."""
    async with listening(World().app()) as port, wires(port) as [(reader, writer)]:
        writer.write(HALF)
        over = asyncio.create_task(is_cut_off(reader))
        with contextlib.suppress(ConnectionError):
            while not over.done():
                writer.write(b"x")
                await asyncio.sleep(0.1)
        assert await over


async def test_nor_one_that_was_answered_before() -> None:
    """Variant: a whole request first, and then half of one on the same connection."""
    async with listening(World().app()) as port, wires(port) as [(reader, writer)]:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader)).startswith(b"HTTP/1.1 200")
        writer.write(HALF)
        assert await is_cut_off(reader)


async def test_a_connection_that_is_used_again_and_again_stays() -> None:
    """The limit is for one request's headers, not for what a client does with its connection."""
    async with listening(World().app()) as port, wires(port) as [(reader, writer)]:
        loop = asyncio.get_running_loop()
        end = loop.time() + 3 * BRIEF.header
        while loop.time() < end:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await answer(reader)).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.25)


async def test_headers_without_end_are_refused_at_their_size() -> None:
    """Variant: fast instead of slow; uvicorn's own limit."""
    async with listening(World().app()) as port, wires(port) as [(reader, writer)]:
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                writer.write(b"X-Much: " + b"x" * 10_000 + b"\r\n")
                await writer.drain()
        async with asyncio.timeout(LONG):
            with contextlib.suppress(ConnectionError):
                assert not (await reader.read()).startswith(b"HTTP/1.1 2")
