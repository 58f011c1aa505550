"""The attacker sends tokens that belong to no account, each another one, so that Kubernetes is asked about every one.

700 of them made a caller who was known wait 4.5 s for each review of their own token.
"""

import asyncio
from collections import Counter

import pytest
from aiohttp import web

from service.domain.cluster_objects import Caller
from service.jobs.ports import UnavailableError
from service.kube.client import KubeSettings
from service.kube.reviews import KubeReviews
from tests.unit.kube.conftest import serve


class Apiserver:
    """Knows the tokens that begin with `good`, and answers nothing about the others while the gate is closed."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.under_way: Counter[str] = Counter()
        self.strangers_came = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        token = (await request.json())["spec"]["token"]
        good = token.startswith("good")
        self.under_way["good" if good else "strange"] += 1
        if not good:
            self.strangers_came.set()
            await self.gate.wait()
        user = {"username": token.split("-")[0], "uid": token.split("-")[0]}
        status = {"authenticated": True, "audiences": ["opsjobs"], "user": user} if good else {}
        return web.json_response({"status": status}, status=201)


async def flooded(asking: KubeReviews, apiserver: Apiserver, count: int) -> list[asyncio.Task[Caller | None]]:
    flood = [asyncio.create_task(asking.caller(f"strange-{number}")) for number in range(count)]
    await apiserver.strangers_came.wait()
    return flood


async def ended(flood: list[asyncio.Task[Caller | None]], apiserver: Apiserver) -> None:
    apiserver.gate.set()
    for answer in await asyncio.gather(*flood, return_exceptions=True):
        assert answer is None or isinstance(answer, UnavailableError)


async def test_a_known_caller_does_not_wait_behind_them() -> None:
    apiserver = Apiserver()
    async with serve(apiserver) as api:
        asking = KubeReviews(api, KubeSettings(), seconds=0)  # each request is a review
        assert await asking.caller("good")
        flood = await flooded(asking, apiserver, 700)
        async with asyncio.timeout(30):
            assert await asking.caller("good")
        await ended(flood, apiserver)


async def test_nor_does_what_else_is_asked_of_kubernetes() -> None:
    """Variant: the client has 32 connections; were all of them taken, no right could be asked either."""
    apiserver = Apiserver()
    async with serve(apiserver) as api:
        asking = KubeReviews(api, KubeSettings())
        flood = await flooded(asking, apiserver, 700)
        assert apiserver.under_way["strange"] < 32
        async with asyncio.timeout(30):
            await api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": {"token": "good"}})
        await ended(flood, apiserver)


async def test_a_caller_with_many_tokens_of_their_own_does_not_make_others_strangers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Variant: who may make tokens of an account makes thousands, so that nobody else's is remembered."""
    monkeypatch.setattr("service.kube.reviews._TOKENS", 4)
    apiserver = Apiserver()
    async with serve(apiserver) as api:
        asking = KubeReviews(api, KubeSettings(), seconds=0)
        assert await asking.caller("good")
        for number in range(50):
            assert await asking.caller(f"goodmallory-{number}")
        flood = await flooded(asking, apiserver, 700)
        async with asyncio.timeout(30):
            assert await asking.caller("good")
        await ended(flood, apiserver)


async def test_a_token_that_was_good_once_is_a_strangers_when_it_is_not_any_more() -> None:
    """Variant: an account that was deleted floods with the token it had."""
    accepted = True

    async def apiserver(_request: web.Request) -> web.StreamResponse:
        user = {"authenticated": True, "audiences": ["opsjobs"], "user": {"username": "alice"}}
        return web.json_response({"status": user if accepted else {}}, status=201)

    async with serve(apiserver) as api:
        asking = KubeReviews(api, KubeSettings(), seconds=0)
        assert await asking.caller("good")
        accepted = False
        assert await asking.caller("good") is None
        assert len(asking._known) == 0


async def test_callers_without_a_right_do_not_hold_up_those_who_have_one() -> None:
    """Variant: accounts that exist but may do nothing, each of which takes hundreds of questions to find that out."""
    gate, came = asyncio.Event(), asyncio.Event()

    async def apiserver(request: web.Request) -> web.StreamResponse:
        spec = (await request.json())["spec"]
        if spec["user"] != "alice":
            came.set()
            await gate.wait()
        return web.json_response({"status": {"allowed": spec["user"] == "alice"}}, status=201)

    async with serve(apiserver) as api:
        asking, places = KubeReviews(api, KubeSettings(), seconds=0), [f"team-{number}" for number in range(20)]
        alice = Caller("alice", "alice")
        assert await asking.granted(alice, "list", ["addon"], places)
        flood = [
            asyncio.create_task(asking.granted(Caller(f"m{number}", "mallory"), "create", ["addon"], places))
            for number in range(20)
        ]
        await came.wait()
        async with asyncio.timeout(30):
            assert await asking.granted(alice, "list", ["addon"], places)
        gate.set()
        assert await asyncio.gather(*flood) == [frozenset()] * 20
