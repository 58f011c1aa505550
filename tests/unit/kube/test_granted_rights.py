"""Whose rights are asked about when, where hundreds of callers come who may do nothing."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from service.domain.cluster_objects import Caller
from service.jobs.ports import UnavailableError
from service.kube.granted_rights import GrantedRights, Question

PLACES = tuple(f"team-{number}" for number in range(30))
LONG = 30.0


class Apiserver:
    """Grants what it is told to; each question waits for the gate, where there is one."""

    def __init__(self, *granted: tuple[str, str | None]) -> None:
        self.granted = set(granted)
        self.asked: Counter[str] = Counter()
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, caller: Caller, _verb: str, _kind: str, place: str | None) -> bool:
        self.asked[caller.user_name] += 1
        await asyncio.sleep(0)
        if place is not None:
            await self.open.wait()
        return (caller.user_name, place) in self.granted


def question(name: str, places: tuple[str, ...] = PLACES) -> Question:
    return Question(name, Caller(name, name), "create", ("addon",), places)


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not what():  # noqa: ASYNC110 - of what says nothing by itself
            await asyncio.sleep(0.01)


async def until_asked(apiserver: Apiserver, callers: int) -> None:
    await until(lambda: len(apiserver.asked) >= callers)


async def test_callers_without_a_right_are_asked_about_in_turn_and_not_all_at_once() -> None:
    """Else each waits for all: of a hundred with 505 questions each none had an answer within a minute."""
    apiserver, ended = Apiserver(), list[str]()
    rights = GrantedRights(apiserver, seconds=60, patience=LONG)

    async def ask(name: str) -> None:
        assert await rights.of(question(name)) == frozenset()
        ended.append(name)
        asked = sum(count == 1 + len(PLACES) for count in apiserver.asked.values())
        assert asked <= len(ended) + 2, "those whose turn has not come were asked about everywhere only"

    await asyncio.gather(*(ask(f"m{number}") for number in range(20)))
    assert ended == sorted(ended, key=lambda name: int(name[1:])), "in the order in which they came"


async def test_who_has_waited_too_long_is_told_so_and_keeps_their_place() -> None:
    apiserver = Apiserver(("alice", "team-3"))
    apiserver.open.clear()
    rights = GrantedRights(apiserver, seconds=0.05, patience=0.2)
    flood = [asyncio.create_task(rights.of(question(f"m{number}"))) for number in range(5)]
    await until_asked(apiserver, 5)
    for _ in range(3):
        with pytest.raises(UnavailableError, match="too many callers"):
            await rights.of(question("alice"))
    assert apiserver.asked["alice"] == 1, "a place in the queue is one, however often and however late it is asked for"
    waiting = asyncio.create_task(rights.of(question("alice")))
    await asyncio.sleep(0)
    apiserver.open.set()
    assert await waiting == {("addon", "team-3")}
    assert apiserver.asked["alice"] == 1 + len(PLACES)
    found = await asyncio.gather(*flood, return_exceptions=True)
    assert all(one == frozenset() or isinstance(one, UnavailableError) for one in found)


async def test_who_has_a_right_everywhere_or_had_one_waits_for_nobody() -> None:
    apiserver = Apiserver(("admin", None), ("alice", "team-3"))
    rights = GrantedRights(apiserver, seconds=0, patience=LONG)
    assert await rights.of(question("alice"))
    apiserver.open.clear()
    flood = [asyncio.create_task(rights.of(question(f"m{number}"))) for number in range(5)]
    await until_asked(apiserver, 6)
    async with asyncio.timeout(LONG):
        assert await rights.of(question("admin")) == {("addon", None)}
    alices = asyncio.create_task(rights.of(question("alice")))
    await until(lambda: apiserver.asked["alice"] > 1 + len(PLACES) + 1)
    apiserver.open.set()
    assert await alices
    await asyncio.gather(*flood)


async def test_no_more_wait_than_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.kube.granted_rights._GRANTS", 3)
    apiserver = Apiserver()
    apiserver.open.clear()
    rights = GrantedRights(apiserver, seconds=60, patience=LONG)
    flood = [asyncio.create_task(rights.of(question(f"m{number}"))) for number in range(5)]
    await until_asked(apiserver, 5)
    await asyncio.sleep(0.1)
    with pytest.raises(UnavailableError, match="too many callers"):
        await rights.of(question("one-more"))
    apiserver.open.set()
    assert await asyncio.gather(*flood) == [frozenset()] * 5


async def test_of_who_has_no_right_nothing_is_renewed_while_others_are_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who only has jobs of their own looks at them again and again, and waits for nothing on a quiet service."""
    monkeypatch.setattr("service.kube.granted_rights._RIPE", 0.0)
    apiserver = Apiserver()
    rights = GrantedRights(apiserver, seconds=60, patience=LONG)
    assert await rights.of(question("bob")) == frozenset()
    apiserver.open.clear()
    flood = [asyncio.create_task(rights.of(question(f"m{number}"))) for number in range(5)]
    await until_asked(apiserver, 6)
    for _ in range(5):
        assert await rights.of(question("bob")) == frozenset()
        await asyncio.sleep(0.01)
    assert apiserver.asked["bob"] == 1 + len(PLACES)
    apiserver.open.set()
    await asyncio.gather(*flood)
    assert await rights.of(question("bob")) == frozenset()
    await until(lambda: apiserver.asked["bob"] == 2 * (1 + len(PLACES)))


async def test_an_answer_counts_from_when_it_was_asked_and_not_from_when_its_caller_came() -> None:
    apiserver = Apiserver()
    apiserver.open.clear()
    rights = GrantedRights(apiserver, seconds=0.5, patience=LONG)
    flood = [asyncio.create_task(rights.of(question(f"m{number}"))) for number in range(5)]
    await until_asked(apiserver, 5)
    await asyncio.sleep(1)
    apiserver.open.set()
    await asyncio.gather(*flood)
    before = apiserver.asked["m4"]
    assert await rights.of(question("m4")) == frozenset()
    assert apiserver.asked["m4"] == before
