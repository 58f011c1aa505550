"""Nodes that are watched while anybody asks for them, and listed where the watch is not to be believed."""

import asyncio
from typing import Any

import pytest

from service.jobs.ports import UnavailableError
from service.kube import node_watch
from service.kube.node_watch import RecentNodes
from tests.unit.kube.conftest import Served, api_at
from tests.unit.kube.test_watch import EXPIRED, Hold, Play


def item(name: str, version: int, *, ready: bool = True) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    metadata = {"name": name, "resourceVersion": str(version), "creationTimestamp": "2026-11-28T05:00:00Z"}
    return {"metadata": metadata, "spec": {}, "status": {"conditions": [condition]}}


def change(kind: str, name: str, version: int, *, ready: bool = True) -> dict[str, Any]:
    return {"type": kind, "object": item(name, version, ready=ready)}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is listed is never older than now: so a test sees which of the two ways is taken."""
    monkeypatch.setattr(node_watch, "SECONDS", 0.0)


async def ready(recent: RecentNodes) -> dict[str, bool]:
    return {node.name: node.ready for node in await recent.all()}


async def until(recent: RecentNodes, expected: dict[str, bool]) -> None:
    async with asyncio.timeout(60):
        while await ready(recent) != expected:  # noqa: ASYNC110 - it is asked
            await asyncio.sleep(0.01)


async def test_they_are_listed_once_and_then_watched(served: Served) -> None:
    go = Hold(0.3)
    scene = [go, change("MODIFIED", "b", 12, ready=False), change("ADDED", "a", 13), change("DELETED", "c", 14), Hold()]
    play = Play(lists=[(10, [item("c", 5), item("b", 4)])], watches=[scene])
    async with served(play) as api:
        recent = RecentNodes(api)
        try:
            assert [node.name for node in await recent.all()] == ["b", "c"]
            await until(recent, {"a": True, "b": False})
            listed = play.listed
            for _ in range(20):
                assert [node.name for node in await recent.all()] == ["a", "b"]
            assert play.listed == listed
            assert len(play.watched_from) == 1
        finally:
            await recent.close()


async def test_a_list_after_a_lost_place_drops_nodes_that_are_gone(served: Served) -> None:
    lists = [(10, [item("a", 1), item("b", 2)])] * 2 + [(20, [item("b", 2)])]
    play = Play(lists=lists, watches=[[Hold(0.3), EXPIRED]])
    async with served(play) as api:
        recent = RecentNodes(api)
        try:
            assert await ready(recent) == {"a": True, "b": True}
            await until(recent, {"b": True})
        finally:
            await recent.close()


async def test_while_the_watch_is_broken_they_are_listed(served: Served) -> None:
    """And where Kubernetes is away that is said: nothing old is shown as if it were so."""
    play = Play(lists=[(10, [item("a", 1)])], watches=[[500]] * 1_000)
    async with served(play) as api:
        recent = RecentNodes(api)
        try:
            for count in range(1, 6):
                assert await ready(recent) == {"a": True}
                assert play.listed >= count
                await asyncio.sleep(0.02)
        finally:
            await recent.close()
    nothing = api_at("http://127.0.0.1:1")
    recent = RecentNodes(nothing)
    try:
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await recent.all()
    finally:
        await recent.close()
        await nothing.close()


async def test_it_ends_when_nobody_asks(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_watch, "UNASKED_SECONDS", -1.0)
    play = Play(lists=[(10, [item("a", 1)])])
    async with served(play) as api:
        recent = RecentNodes(api)
        assert await ready(recent) == {"a": True}
        assert recent._task
        async with asyncio.timeout(60):
            await recent._task
        assert await ready(recent) == {"a": True}
        await recent.close()
