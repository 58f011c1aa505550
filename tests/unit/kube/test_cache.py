import asyncio
import time

import pytest

from service.kube.cache import BriefCache


async def test_no_more_answers_are_kept_than_allowed() -> None:
    cache: BriefCache[int] = BriefCache(seconds=60, size=3)

    async def answer() -> int:
        return 1

    for key in range(100):
        await cache.get(key, answer)
    assert len(cache) == 3


async def test_the_latest_answers_are_the_ones_kept() -> None:
    cache: BriefCache[int] = BriefCache(seconds=60, size=2)
    asked: list[int] = []

    async def ask(key: int) -> int:
        asked.append(key)
        return key

    for key in (1, 2, 3, 3, 2, 1):
        assert await cache.get(key, lambda key=key: ask(key)) == key  # type: ignore[misc]
    assert asked == [1, 2, 3, 1]


class Clock:
    """Monotonic time that goes on when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Asked:
    """Counts what it is asked; answers the number of the question when it may."""

    def __init__(self) -> None:
        self.times = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fails = False

    async def __call__(self) -> int:
        self.times += 1
        number = self.times
        await self.may_answer.wait()
        if self.fails:
            raise LookupError
        return number


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def cache() -> BriefCache[int]:
    return BriefCache(seconds=8, size=9)


async def being_renewed(cache: BriefCache[int], clock: Clock, ask: Asked) -> None:
    """An answer seven seconds old, and a renewal of it that does not come back yet."""
    await cache.get("key", ask)
    clock.now += 7
    ask.may_answer.clear()
    await cache.get("key", ask)
    await settle()


class TestRenewal:
    async def test_who_asks_again_and_again_never_waits_and_gets_what_is_new(
        self, cache: BriefCache[int], clock: Clock
    ) -> None:
        ask = Asked()
        assert await cache.get("key", ask) == 1
        clock.now += 6.5
        ask.may_answer.clear()
        assert await cache.get("key", ask) == 1, "it is not waited for"
        await settle()
        assert await cache.get("key", ask) == 1
        await settle()
        assert ask.times == 2, "nor asked twice"
        ask.may_answer.set()
        await settle()
        assert await cache.get("key", ask) == 2
        clock.now += 6
        assert await cache.get("key", ask) == 2
        assert ask.times == 2

    async def test_it_may_be_asked_for_otherwise_than_what_somebody_waits_for(self, clock: Clock) -> None:
        cache: BriefCache[int] = BriefCache(seconds=8, size=9, ripe=0.5)
        asked, renewed = Asked(), Asked()
        renewed.times = 10
        for seconds in (0, 3.9):
            clock.now += seconds
            assert await cache.get("key", asked, renewed) == 1
            await settle()
        assert (asked.times, renewed.times) == (1, 10), "not yet"
        clock.now += 0.2
        await cache.get("key", asked, renewed)
        await settle()
        assert await cache.get("key", asked, renewed) == 11
        assert asked.times == 1

    async def test_a_renewed_answer_is_as_old_as_its_question(self, cache: BriefCache[int], clock: Clock) -> None:
        ask = Asked()
        await being_renewed(cache, clock, ask)
        clock.now += 0.5
        ask.may_answer.set()
        await settle()
        clock.now += 7.6
        assert await cache.get("key", ask) == 3

    async def test_no_answer_is_used_beyond_its_time_while_it_is_being_renewed(
        self, cache: BriefCache[int], clock: Clock
    ) -> None:
        slow, quick = Asked(), Asked()
        await being_renewed(cache, clock, slow)
        clock.now += 1.5
        quick.times = 10
        assert await cache.get("key", quick) == 11
        slow.may_answer.set()
        await settle()

    async def test_a_failed_renewal_leaves_the_answer_and_is_tried_again(
        self, cache: BriefCache[int], clock: Clock
    ) -> None:
        ask = Asked()
        await cache.get("key", ask)
        clock.now += 7
        ask.fails = True
        assert await cache.get("key", ask) == 1
        await settle()
        assert await cache.get("key", ask) == 1
        await settle()
        assert ask.times == 3
        clock.now += 2
        with pytest.raises(LookupError):
            await cache.get("key", ask)

    async def test_what_is_not_asked_for_is_not_renewed(self, cache: BriefCache[int], clock: Clock) -> None:
        ask = Asked()
        await cache.get("key", ask)
        clock.now += 100
        await settle()
        assert ask.times == 1
