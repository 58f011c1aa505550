"""Never two leaders, however slow the apiserver and the work are. The clock skips the time in which nothing happens."""

import asyncio
import copy
import selectors
from collections.abc import Callable, Coroutine, Iterator
from itertools import cycle
from typing import Any, TypeVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.kube.client import Api, ConflictError, KubeSettings, Object
from service.kube.leader import KubeLeader, Terms

T = TypeVar("T")
TERMS = Terms()
#: Each request of a replica: seconds until it takes effect, and from then until the replica has its response.
Delays = list[tuple[float, float]]


class SkippingLoop(asyncio.SelectorEventLoop):
    """Its clock stands while anything can be done and jumps to the next timer when nothing can."""

    def __init__(self) -> None:
        self.now = 1000.0
        loop = self

        class Selector(selectors.SelectSelector):
            def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
                loop.now += timeout or 0
                return super().select(0)

        super().__init__(Selector())

    def time(self) -> float:
        return self.now


class Leases:
    """The apiserver's one Lease; a request that its replica gave up takes effect all the same."""

    def __init__(self) -> None:
        self.lease: Object | None = None
        self.version = 0

    def api(self, delays: Delays) -> Api:
        return cast("Api", Requests(self, cycle(delays)))


class Requests:
    def __init__(self, leases: Leases, delays: Iterator[tuple[float, float]]) -> None:
        self._leases = leases
        self._delays = delays

    async def get(self, _path: str) -> Object | None:
        return await self._sent(lambda: copy.deepcopy(self._leases.lease))

    async def create(self, _path: str, body: Object) -> Object:
        def created() -> Object:
            if self._leases.lease is not None:
                raise ConflictError(409, "it exists already")
            return self._write(body)

        return await self._sent(created)

    async def replace(self, _path: str, body: Object) -> Object | None:
        def replaced() -> Object | None:
            lease = self._leases.lease
            if lease is not None and lease["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]:
                raise ConflictError(409, "it has changed")
            return self._write(body) if lease else None

        return await self._sent(replaced)

    async def change(self, _path: str, change: Callable[[Object], Object | None]) -> None:
        def changed() -> None:
            if (lease := copy.deepcopy(self._leases.lease)) and (patch := change(lease)):
                self._write({**lease, "spec": {**lease["spec"], **patch["spec"]}})

        await self._sent(changed)

    def _write(self, body: Object) -> Object:
        self._leases.version += 1
        written = copy.deepcopy(body)
        written["metadata"]["resourceVersion"] = str(self._leases.version)
        self._leases.lease = written
        return written

    async def _sent(self, effect: Callable[[], T]) -> T:
        before, after = next(self._delays)

        async def served() -> T:
            await asyncio.sleep(before)
            result = effect()
            await asyncio.sleep(after)
            return result

        request = asyncio.ensure_future(served())
        request.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(request)


class Watched:
    """The work of all replicas: notes each begin, and every moment at which two work."""

    def __init__(self) -> None:
        self.working: list[str] = []
        self.begun: list[str] = []
        self.together: list[list[str]] = []

    def of(self, name: str, ending: float) -> Callable[[], Coroutine[Any, Any, None]]:
        async def work() -> None:
            self.working.append(name)
            self.begun.append(name)
            if len(self.working) > 1:
                self.together.append(list(self.working))
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(ending)
                self.working.remove(name)

        return work


def simulate(seconds: float, replicas: list[tuple[Delays, float]], *, removed_at: float | None = None) -> Watched:
    """So many seconds of replicas, each with the delays of its requests and the time its work takes to end."""
    watched, leases = Watched(), Leases()

    async def run() -> None:
        leading = [
            asyncio.create_task(KubeLeader(leases.api(delays), KubeSettings(), TERMS).lead(watched.of(str(n), ending)))
            for n, (delays, ending) in enumerate(replicas)
        ]
        if removed_at is not None:
            await asyncio.sleep(removed_at)
            leases.lease = None
        await asyncio.sleep(seconds - (removed_at or 0))
        for task in leading:
            task.cancel()
        await asyncio.wait(leading)

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(run())
    return watched


seconds = st.sampled_from([0.0, 0.0, 0.05, 1.9, 3.9, 5.0, 100.0])
delays = st.lists(st.tuples(seconds, seconds), min_size=1, max_size=40)
endings = st.floats(0, TERMS.ending - 0.01)


@given(replicas=st.lists(st.tuples(delays, endings), min_size=2, max_size=3))
def test_two_never_work_at_the_same_time(replicas: list[tuple[Delays, float]]) -> None:
    assert simulate(300, replicas).together == []


@settings(max_examples=min(40, settings().max_examples))
@given(first=delays, second=delays, removed_at=st.floats(30, 60))
def test_nor_when_a_hand_removes_the_lease(first: Delays, second: Delays, removed_at: float) -> None:
    quick: Delays = [(0.01, 0.01)] * 20
    replicas = [(quick + first, 1.0), (quick + second, 1.0)]
    assert simulate(120, replicas, removed_at=removed_at).together == []


def test_who_lost_the_lease_unseen_waits_where_it_was_removed() -> None:
    """The first loses it, sees no response until a hand removes it from the second, and then finds none."""
    quick: Delays = [(0.01, 0.01)] * 20
    first: Delays = [(0.0, 5.0), (0.0, 1.9), (0.0, 5.0), (0.0, 1.9), (1.9, 0.0)]
    replicas = [(quick + first, 1.0), ([*quick, (0.0, 1.9)], 1.0)]
    assert simulate(120, replicas, removed_at=37.0).together == []


def test_a_response_that_comes_late_begins_no_longer_lease() -> None:
    """The other replica sees the Lease as soon as it is made, four seconds before the first has its response."""
    at_once, slow, cut_off = (0.0, 0.0), (0.0, 3.9), (100.0, 0.0)
    replicas = [([at_once, slow] + [cut_off] * 40, TERMS.ending - 0.1), ([(0.05, 0.0)] + [at_once] * 99, 0.0)]
    watched = simulate(60, replicas)
    assert watched.together == []
    assert watched.begun[:2] == ["0", "1"]


def test_while_the_apiserver_responds_one_works_without_a_break() -> None:
    watched = simulate(3600, [([(0.05, 0.05)], 0.1), ([(0.05, 0.05)], 0.1)])
    assert watched.begun == ["0"]


def test_one_renewal_that_fails_costs_nothing() -> None:
    watched = simulate(3600, [([(0.05, 0.05)] * 6 + [(5.0, 0.0)], 0.1), ([(0.05, 0.05)], 0.1)])
    assert watched.begun == ["0"]


@pytest.mark.parametrize("terms", [{"renewal": 11, "ending": 5}, {"lease": 10, "renewal": 9, "ending": 1}], ids=str)
def test_terms_under_which_two_could_work_are_refused(terms: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="may still work when the next one begins"):
        Terms(**terms)
