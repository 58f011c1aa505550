"""The leader and a Lease that is not as it should be: whatever comes, it goes on trying."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from service.kube.client import Api, KubeSettings
from service.kube.leader import KubeLeader, Terms
from tests.unit.kube.conftest import Served

BRISK = Terms(lease=3, renewal=1.5, retry=0.02, request=1, ending=1)


class OneLease:
    """An apiserver with one Lease, whose answer to the first questions is the test's."""

    def __init__(self, lease: dict[str, Any], *strange: Callable[[], web.Response]) -> None:
        self.lease = {"metadata": {"name": "leader", "resourceVersion": "1"}} | lease
        self.strange = list(strange)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if self.strange:
            return self.strange.pop(0)()
        if request.method == "PUT":
            self.lease = await request.json()
        return web.json_response(self.lease)


async def leads(api: Api) -> None:
    """Until it does what a leader does."""
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    leading = asyncio.create_task(KubeLeader(api, KubeSettings(), BRISK).lead(work))
    try:
        async with asyncio.timeout(60):
            await begun.wait()
    finally:
        leading.cancel()
        await asyncio.wait([leading])


@pytest.mark.parametrize("lease", [{"spec": None}, {}, {"spec": {"leaseTransitions": None}}], ids=str)
async def test_a_lease_of_nobody_is_taken(served: Served, lease: dict[str, Any]) -> None:
    server = OneLease(lease)
    async with served(server) as api:
        await leads(api)
    assert server.lease["spec"]["leaseTransitions"] == 1


@pytest.mark.parametrize(
    "text", ["", "<h1>hello</h1>", "[]", '{"metadata": null, "spec": {"holderIdentity": "x"}}', '{"spec": 7}']
)
async def test_an_answer_that_nobody_expects_does_not_end_it(served: Served, text: str) -> None:
    server = OneLease({"spec": {}}, *[lambda: web.Response(text=text)] * 3)
    async with served(server) as api:
        await leads(api)
    assert not server.strange
