"""The watch against an apiserver that plays its rarer scenes: bookmarks, 410, silence, dropped and refused requests."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from service.jobs.ports import WorkflowEvent
from service.kube.client import Api
from service.kube.collection_watch import Pace
from service.kube.watch import WorkflowWatch
from tests.unit.kube.conftest import Served

PATH = "/apis/argoproj.io/v1alpha1/namespaces/jobs/workflows"
QUICK = Pace(watch=30, jitter=0, silence=0.3, resync=600, backoff=0.02, backoff_limit=0.1)


def item(name: str, version: int, uid: str = "u") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": str(version)}}


def change(kind: str, name: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": item(name, version)}


def bookmark(version: int) -> dict[str, Any]:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}


EXPIRED = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old resource version"}}
BROKEN = {"type": "ERROR", "object": {"code": 500, "message": "etcd is away"}}


@dataclass
class Hold:
    """A scene's end: keep the connection open and say nothing."""

    seconds: float = 30


@dataclass
class Play:
    """An apiserver that plays one scene per watch; after the last one every watch stays silent."""

    lists: list[tuple[int, list[dict[str, Any]]]]
    watches: list[list[Any]] = field(default_factory=list)
    listed: int = 0
    watched_from: list[str] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        return await (self._watch(request) if request.query.get("watch") else self._list())

    async def _list(self) -> web.StreamResponse:
        version, items = self.lists[min(self.listed, len(self.lists) - 1)]
        self.listed += 1
        return web.json_response({"metadata": {"resourceVersion": str(version)}, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        scene = self.watches[len(self.watched_from)] if len(self.watched_from) < len(self.watches) else [Hold()]
        self.watched_from.append(request.query["resourceVersion"])
        if scene and isinstance(scene[0], int):
            return web.json_response({"code": scene[0], "message": "refused"}, status=scene[0])
        response = web.StreamResponse()
        await response.prepare(request)
        for line in scene:
            if isinstance(line, Hold):
                await asyncio.sleep(line.seconds)
            else:
                await response.write(json.dumps(line).encode() + b"\n")
        return response


@contextlib.asynccontextmanager
async def watching(api: Api, pace: Pace = QUICK) -> AsyncIterator[Callable[[], Any]]:
    events = WorkflowWatch(api, PATH, "opsjob.io/job-id", pace).events()

    async def following() -> WorkflowEvent:
        async with asyncio.timeout(60):
            return await anext(events)

    try:
        yield following
    finally:
        await events.aclose()


async def taken(following: Callable[[], Any], count: int) -> list[tuple[str | None, str, bool]]:
    found = [await following() for _ in range(count)]
    return [(event.name, event.resource_version, event.deleted) for event in found]


async def test_everything_is_listed_then_each_change_comes_as_it_happens(served: Served) -> None:
    scene = [change("ADDED", "c", 11), change("MODIFIED", "a", 12), change("DELETED", "b", 13), Hold()]
    play = Play(lists=[(10, [item("a", 4), item("b", 5)])], watches=[scene])
    async with served(play) as api, watching(api) as following:
        assert await taken(following, 2) == [("a", "4", False), ("b", "5", False)]
        relisted = await following()
        assert (relisted.name, relisted.seen) == (None, {"a", "b"})
        assert await taken(following, 3) == [("c", "11", False), ("a", "12", False), ("b", "13", True)]
    assert play.watched_from == ["10"]


async def test_only_our_workflows_are_watched_with_bookmarks_and_an_end(served: Served) -> None:
    play = Play(lists=[(10, [])], watches=[[change("ADDED", "a", 11), Hold()]])
    async with served(play) as api, watching(api) as following:
        await taken(following, 2)
    listing, watch = play.queries
    assert listing == {"labelSelector": "opsjob.io/job-id", "limit": "500"}
    assert watch["allowWatchBookmarks"] == "true"
    assert watch["labelSelector"] == "opsjob.io/job-id"
    assert watch["timeoutSeconds"] == "30"


async def test_a_watch_that_ends_goes_on_from_the_last_bookmark_without_a_list(served: Served) -> None:
    play = Play(lists=[(10, [])], watches=[[change("ADDED", "a", 11), bookmark(50)], [change("MODIFIED", "a", 51)]])
    async with served(play) as api, watching(api) as following:
        assert [name for name, _, _ in await taken(following, 3)] == [None, "a", "a"]
    assert play.watched_from[:2] == ["10", "50"]
    assert play.listed == 1


@pytest.mark.parametrize("scene", [[EXPIRED], [410]], ids=["as an event", "as an answer"])
async def test_a_place_that_was_lost_is_found_again_by_a_list(served: Served, scene: list[Any]) -> None:
    play = Play(lists=[(10, [item("a", 4), item("b", 5)]), (90, [item("a", 80)])], watches=[scene])
    async with served(play) as api, watching(api) as following:
        await taken(following, 3)
        assert await taken(following, 1) == [("a", "80", False)]
        assert (await following()).seen == {"a"}
    assert play.listed == 2


async def test_an_apiserver_that_always_lost_the_place_is_not_asked_in_a_hot_loop(served: Served) -> None:
    play = Play(lists=[(10, [])], watches=[[EXPIRED]] * 1_000)
    pace = Pace(watch=30, silence=1, backoff=0.2, backoff_limit=10)
    async with served(play) as api, watching(api, pace) as following:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(taken(following, 1_000), 1)
    assert 2 <= play.listed <= 6


@pytest.mark.parametrize("scene", [[BROKEN], [500], [503], [403], [{"type": "MODIFIED"}], []], ids=str)
async def test_an_interrupted_watch_is_taken_up_where_it_was(served: Served, scene: list[Any]) -> None:
    play = Play(lists=[(10, [])], watches=[[change("ADDED", "a", 11)], scene, scene, [change("MODIFIED", "a", 12)]])
    async with served(play) as api, watching(api) as following:
        assert [name for name, _, _ in await taken(following, 3)] == [None, "a", "a"]
    assert play.watched_from[:4] == ["10", "11", "11", "11"]


async def test_a_connection_that_says_nothing_is_left_for_a_new_one(served: Served) -> None:
    play = Play(lists=[(10, [])], watches=[[bookmark(20), Hold()], [change("ADDED", "a", 21), Hold()]])
    async with served(play) as api, watching(api) as following:
        assert await taken(following, 2) == [(None, "10", False), ("a", "21", False)]
    assert play.watched_from[:2] == ["10", "20"]


async def test_a_line_that_was_cut_off_is_not_taken_for_a_change(served: Served) -> None:
    async def cutting(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") and request.query["resourceVersion"] == "10" and not play.watched_from:
            play.watched_from.append("10")
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b'{"type":"MODIFIED","object":{"metadata":{"na')
            return response
        return await play(request)

    play = Play(lists=[(10, [])], watches=[[], [change("MODIFIED", "a", 12), Hold()]])
    async with served(cutting) as api, watching(api) as following:
        assert await taken(following, 2) == [(None, "10", False), ("a", "12", False)]


async def test_everything_is_listed_again_from_time_to_time(served: Served) -> None:
    play = Play(lists=[(10, [item("a", 4)]), (20, [])])
    pace = Pace(watch=30, jitter=0, silence=0.3, resync=0.1, backoff=0.02, backoff_limit=0.1)
    async with served(play) as api, watching(api, pace) as following:
        assert [name for name, _, _ in await taken(following, 2)] == ["a", None]
        assert (await following()).seen == frozenset()


async def test_a_cluster_without_argo_is_waited_for(served: Served) -> None:
    installed = asyncio.Event()
    play = Play(lists=[(10, [item("a", 4)])])

    async def missing_first(request: web.Request) -> web.StreamResponse:
        if not installed.is_set():
            installed.set()
            return web.json_response({"code": 404, "message": "no such kind"}, status=404)
        return await play(request)

    async with served(missing_first) as api, watching(api) as following:
        assert await taken(following, 1) == [("a", "4", False)]
