"""The memory for bodies is shared: whoever dawdles is cut off for who waits, and nobody else is."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from service.api.body_memory import BodyMemory, Place
from service.api.problems import Problem


async def dawdling(memory: BodyMemory, until: AsyncExitStack, user: str, size: int) -> "asyncio.Task[None]":
    """A body that never comes, once it has its memory."""
    placed = asyncio.Event()

    async def hold() -> None:
        async with memory.take(user, size) as place, place.reading():
            placed.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    until.callback(task.cancel)
    await placed.wait()
    return task


async def test_two_callers_with_slow_bodies_keep_no_third_out() -> None:
    """They had all of it, half each, for as long as a body may take, and again and again."""
    memory = BodyMemory(100, seconds=60, dawdles_after=0)
    async with AsyncExitStack() as until:
        slow = [await dawdling(memory, until, user, 25) for user in ("mallory", "mallory", "trudy", "trudy")]
        async with memory.take("alice", 20):
            pass
        (cut_off,) = [task for task in slow if task.done()]
        problem = cut_off.exception()
        assert isinstance(problem, Problem)
        assert (problem.status, problem.code) == (503, "BUSY")
        assert problem.headers["Connection"] == "close"


async def test_a_body_that_has_come_is_not_cut_off_nor_one_of_a_caller_with_less() -> None:
    memory = BodyMemory(100, seconds=0.6, dawdles_after=0)
    async with AsyncExitStack() as until, memory.take("bob", 50):
        small = await dawdling(memory, until, "carol", 10)
        with pytest.raises(Problem, match="too many large requests are under way"):
            async with memory.take("alice", 45):
                pass
        assert not small.done()


async def test_who_is_quick_is_not_cut_off() -> None:
    memory = BodyMemory(100, seconds=0.6, dawdles_after=60)
    async with AsyncExitStack() as until:
        both = [await dawdling(memory, until, user, 50) for user in ("bob", "carol")]
        with pytest.raises(Problem):
            async with memory.take("alice", 10):
                pass
        assert not any(task.done() for task in both)


async def test_ones_own_share_is_no_reason_to_cut_off_others() -> None:
    memory = BodyMemory(100, seconds=0.6, dawdles_after=0)
    async with AsyncExitStack() as until, memory.take("alice", 50):
        other = await dawdling(memory, until, "mallory", 50)
        with pytest.raises(Problem):
            async with memory.take("alice", 10):
                pass
        assert not other.done()


async def test_what_was_cut_off_a_moment_too_late_is_harmless() -> None:
    place = Place("alice")
    place.cut_off()
    async with place.reading():
        assert not place.dawdles(60)
    place.cut_off()
    assert not place.dawdles(0)
