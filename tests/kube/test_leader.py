"""One writer among several, by a real Lease."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from service.kube.client import Api, KubeSettings, connect
from service.kube.leader import KubeLeader, Terms
from tests.e2e.live import Cluster, wait_for

pytestmark = pytest.mark.alone  # its leases last three seconds

BRISK = Terms(lease=3, renewal=1.5, retry=0.3, request=1, ending=1)


class Work:
    """Notes when it runs, and fails the test if two of a kind run at once."""

    running: set[str] = set()  # noqa: RUF012 - shared on purpose: across all replicas of one test

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.runs = 0

    async def __call__(self) -> None:
        assert not self.running, f"{self.name} began while {self.running} still worked"
        self.running.add(self.name)
        self.runs += 1
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.running.discard(self.name)
            self.ended.set()


@contextlib.asynccontextmanager
async def replica(api: Api, settings: KubeSettings, work: Work, lease: str) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(KubeLeader(api, settings, BRISK, lease).lead(work))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def soon(event: asyncio.Event, seconds: float = 20) -> None:
    await asyncio.wait_for(event.wait(), seconds)


@pytest.fixture
def lease(request: pytest.FixtureRequest) -> str:
    Work.running.clear()
    return str(request.node.name).replace("_", "-")[:60]


async def test_one_works_and_the_other_takes_over_at_once_when_it_leaves(
    api: Api, settings: KubeSettings, lease: str
) -> None:
    first, second = Work("first"), Work("second")
    async with replica(api, settings, first, lease) as leading:
        await soon(first.begun)
        async with replica(api, settings, second, lease):
            await asyncio.sleep(BRISK.lease + 1)  # longer than the Lease lasts: it is renewed
            assert not second.begun.is_set()
            leading.cancel()
            left = time.monotonic()
            await soon(second.begun)
            assert time.monotonic() - left < BRISK.lease
    assert first.ended.is_set()


async def test_who_cannot_renew_stops_before_another_begins(api: Api, settings: KubeSettings, lease: str) -> None:
    first, second = Work("first"), Work("second")
    cut_off = await connect(settings)
    async with replica(cut_off, settings, first, lease):
        await soon(first.begun)
        async with replica(api, settings, second, lease):
            cut_off._client.configuration.host = "https://127.0.0.1:9"  # nothing listens there
            await soon(first.ended)
            assert not second.begun.is_set()
            await soon(second.begun)
    await cut_off.close()


async def test_a_lease_that_another_took_ends_the_work(
    api: Api, cluster: Cluster, settings: KubeSettings, lease: str
) -> None:
    work = Work("robbed")
    async with replica(api, settings, work, lease):
        await soon(work.begun)
        cluster.kubectl(
            "patch", "lease", lease, "-n", settings.namespace, "--type=merge", "-p", '{"spec":{"holderIdentity":"x"}}'
        )
        await soon(work.ended)
        work.begun.clear()
        await soon(work.begun)  # x never renews


async def test_a_lease_that_was_deleted_is_made_again_without_a_break(
    api: Api, cluster: Cluster, settings: KubeSettings, lease: str
) -> None:
    work = Work("steady")
    async with replica(api, settings, work, lease):
        await soon(work.begun)
        cluster.kubectl("delete", "lease", lease, "-n", settings.namespace)
        await asyncio.to_thread(
            wait_for, "the Lease", lambda: cluster.get("lease", lease, "-n", settings.namespace), 10
        )
        assert not work.ended.is_set()


async def test_work_that_fails_is_begun_again(api: Api, settings: KubeSettings, lease: str) -> None:
    again = asyncio.Event()
    runs = 0

    async def fails_once() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise RuntimeError("a fault of the work's own")
        again.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(KubeLeader(api, settings, BRISK, lease).lead(fails_once))
    await soon(again)
    task.cancel()
    await asyncio.wait([task])
    assert runs == 2
