"""Followers of one container share a connection: each gets every line once and in order, whenever it came."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from service.domain.log_lines import rfc3339_nanoseconds
from service.jobs import shared_logs
from service.jobs.ports import StepOutput, TooFarBehindError, UnavailableError
from service.jobs.shared_logs import SharedLogs

BEGIN = 1_764_000_000 * 10**9


@dataclass
class Kubelet:
    """A container's log, as it grows."""

    log_file: bytearray = field(default_factory=bytearray)
    at: int = BEGIN
    ended: bool = False
    breaks: bool = False
    connections: int = 0
    opened: int = 0
    readings: int = 0
    pace: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - sizes of pieces
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def writes(self, *texts: str, later: int = 10**6) -> None:
        for text in texts:
            self.at += later
            self.log_file += f"{rfc3339_nanoseconds(self.at)} {text}\n".encode()
        await self._notify()

    async def writes_half(self, text: str) -> None:
        self.log_file += text.encode()
        await self._notify()

    async def ends(self, *, breaks: bool = False) -> None:
        self.ended, self.breaks = True, breaks
        await self._notify()

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def log(
        self, _pod: str, *, follow: bool, since: str = "", tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        begin = self._begin(since, tail)
        await asyncio.sleep(0)
        if not follow:
            self.readings += 1
            async for piece in self._pieces(begin, len(self.log_file)):
                yield piece
            return
        self.connections += 1
        self.opened += 1
        try:
            while True:
                end = len(self.log_file)
                async for piece in self._pieces(begin, end):
                    yield piece
                begin = end
                async with self.changed:
                    await self.changed.wait_for(lambda: self.ended or len(self.log_file) > begin)  # noqa: B023 - at once
                if self.ended and len(self.log_file) == begin:
                    break
            if self.breaks:
                raise UnavailableError("the connection broke")
        finally:
            self.connections -= 1

    async def _pieces(self, begin: int, end: int) -> AsyncIterator[bytes]:
        while begin < end:
            size = self.pace.choice([1, 60, 5_000, 90_000])
            yield bytes(self.log_file[begin : min(end, begin + size)])
            begin += size
            await asyncio.sleep(0)

    def _begin(self, since: str, tail: int | None) -> int:
        lines = bytes(self.log_file).splitlines(keepends=True)
        kept = [line for line in lines if line >= since.removesuffix("Z").encode()]
        kept = kept if tail is None else kept[max(0, len(kept) - tail) :]
        return len(self.log_file) - sum(map(len, kept))


@dataclass
class Reader:
    """A follower, and the texts that it got."""

    texts: list[str] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None


@asynccontextmanager
async def following(logs: SharedLogs, since: str = "", tail: int | None = None) -> AsyncIterator[Reader]:
    reader = Reader()

    async def read() -> None:
        rest = b""
        async with aclosing(logs.log("pod", follow=True, since=since, tail=tail)) as pieces:
            async for piece in pieces:
                *lines, rest = (rest + piece).split(b"\n")
                reader.texts += [line.decode().partition(" ")[2] for line in lines]
        assert rest == b""

    reader.task = asyncio.create_task(read())
    try:
        yield reader
    finally:
        reader.task.cancel()
        await asyncio.gather(reader.task, return_exceptions=True)


async def until(what: Any) -> None:
    async with asyncio.timeout(30):
        while not what():  # noqa: ASYNC110 - whatever it is
            await asyncio.sleep(0.001)


async def read_on(pieces: AsyncGenerator[bytes, None], meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
    async for _ in pieces:
        if meanwhile:
            await meanwhile()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_logs, "_PAUSE_SECONDS", 0.001)


def shared(kubelet: Kubelet) -> SharedLogs:
    return SharedLogs(cast("StepOutput", kubelet))


@pytest.mark.parametrize("seed", range(12))
async def test_whoever_joins_whenever_gets_each_line_once_and_in_order(seed: int) -> None:
    """Lines of one time, and lines that are alike, are told apart; clocks go back; followers come and go."""
    luck = random.Random(seed)  # noqa: S311 - nothing secret
    kubelet = Kubelet(pace=luck)
    logs = shared(kubelet)
    written: list[str] = []

    async def write() -> None:
        for number in range(150):
            # Lines of one time, and alike lines of others. No runtime writes alike lines of one nanosecond.
            texts = [f"line {number}", f"{number} " + "x" * 3_000]
            later = luck.choice([0, 1, 10**6, -5 * 10**9 - 7])
            texts = luck.sample(texts, luck.choice([1, 2])) if later == 0 else [luck.choice([*texts, "", "alike"])]
            await kubelet.writes(*texts, later=later)
            written.extend(texts)
            if luck.random() < 0.3:
                await asyncio.sleep(0)
        await kubelet.ends()

    async def read(delay: int) -> None:
        for _ in range(delay):
            await asyncio.sleep(0)
        async with following(logs) as reader:
            assert reader.task
            await reader.task
            assert reader.texts == written

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(write())
        for _ in range(20):
            group.create_task(read(luck.randrange(300)))
    assert kubelet.connections == 0


async def test_all_share_one_connection_which_ends_with_the_last() -> None:
    kubelet = Kubelet()
    logs = shared(kubelet)
    await kubelet.writes("one")
    async with following(logs) as first:
        async with following(logs) as second, following(logs, tail=1) as third:
            await until(lambda: first.texts == second.texts == third.texts == ["one"])
            await kubelet.writes("two")
            await until(lambda: first.texts == second.texts == third.texts == ["one", "two"])
            assert (kubelet.connections, kubelet.opened) == (1, 1)
        await kubelet.writes("three")
        await until(lambda: first.texts == ["one", "two", "three"])
        assert kubelet.connections == 1
    await until(lambda: kubelet.connections == 0)
    async with following(logs) as again:
        await until(lambda: again.texts == ["one", "two", "three"])
        assert kubelet.opened == 2


async def test_a_container_that_has_written_nothing_is_waited_for() -> None:
    kubelet = Kubelet()
    async with following(shared(kubelet)) as reader:
        await asyncio.sleep(0.01)
        assert kubelet.readings == 0
        await kubelet.writes("first", "second")
        await until(lambda: reader.texts == ["first", "second"])


async def test_who_takes_nothing_while_a_mebibyte_is_written_is_ended_and_no_other() -> None:
    kubelet = Kubelet()
    logs = shared(kubelet)
    await kubelet.writes("begin")
    slow = logs.log("pod", follow=True)
    async with following(logs) as reader, aclosing(slow):
        await until(lambda: reader.texts == ["begin"])
        assert b"begin" in await anext(slow)
        await kubelet.writes("level")
        assert b"level" in await anext(slow)
        for number in range(12):
            await kubelet.writes(f"{number} " + "x" * 30_000)
        await until(lambda: len(reader.texts) == 14)
        assert b"0 x" in await anext(slow)  # that much may wait
        for number in range(40):
            await kubelet.writes(f"{number} " + "y" * 30_000)
        await until(lambda: len(reader.texts) == 54)
        with pytest.raises(TooFarBehindError):
            await read_on(slow)
        assert kubelet.opened == 1


async def test_who_reads_what_was_written_before_may_take_its_time() -> None:
    kubelet = Kubelet()
    logs = shared(kubelet)
    before = [f"{number} " + "x" * 30_000 for number in range(50)]
    after = [f"{number} " + "y" * 30_000 for number in range(50)]
    await kubelet.writes(*before)
    async with following(logs) as reader, aclosing(logs.log("pod", follow=True)) as slow:
        got = await anext(slow)
        await kubelet.writes(*after)
        await until(lambda: len(reader.texts) == 100)
        await kubelet.ends()
        got += b"".join([piece async for piece in slow])
    assert [line.decode().partition(" ")[2] for line in got.split(b"\n")[:-1]] == [*before, *after]


async def test_who_never_gets_there_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """While what was written before is read more is written than may wait, again and again."""
    monkeypatch.setattr(shared_logs, "MOST_BEHIND", 1_000)
    kubelet = Kubelet()
    logs = shared(kubelet)
    async with following(logs) as reader, aclosing(logs.log("pod", follow=True)) as slow:
        await kubelet.writes("begin")
        readings = 0

        async def flood() -> None:
            nonlocal readings
            if kubelet.readings > readings:
                readings = kubelet.readings
                for _ in range(4):
                    await kubelet.writes("x" * 300)
                    await until(lambda: len(reader.texts) == kubelet.log_file.count(b"\n"))

        with pytest.raises(TooFarBehindError):
            await read_on(slow, flood)


@pytest.mark.parametrize("breaks", [True, False])
async def test_the_end_of_the_connection_is_everyones(breaks: bool) -> None:  # noqa: FBT001 - a parameter of the test
    kubelet = Kubelet()
    logs = shared(kubelet)
    await kubelet.writes("one")
    async with following(logs) as first, following(logs) as second:
        await until(lambda: first.texts == second.texts == ["one"])
        await kubelet.ends(breaks=breaks)
        ends = await asyncio.gather(*(cast("Any", reader.task) for reader in (first, second)), return_exceptions=True)
    assert [type(end) for end in ends] == [UnavailableError if breaks else type(None)] * 2
    kubelet.ended = False
    async with following(logs) as again:
        await until(lambda: again.texts == ["one"])


async def test_a_line_that_is_not_whole_yet_comes_when_it_is() -> None:
    kubelet = Kubelet()
    await kubelet.writes("one")
    await kubelet.writes_half(f"{rfc3339_nanoseconds(kubelet.at + 1)} half")
    async with following(shared(kubelet)) as reader:
        await until(lambda: reader.texts == ["one"])
        await kubelet.writes_half(" and the rest\n")
        await kubelet.writes("two")
        await until(lambda: len(reader.texts) == 3)
        assert reader.texts == ["one", "half and the rest", "two"]


async def test_a_log_that_was_rotated_meanwhile_is_begun_anew() -> None:
    """What is not known to be whole is not handed on as if it were: who reads asks again, and finds the gap."""
    kubelet = Kubelet()
    logs = shared(kubelet)
    await kubelet.writes(*(f"{number} " + "x" * 30_000 for number in range(50)))
    async with following(logs) as reader, aclosing(logs.log("pod", follow=True)) as slow:
        await anext(slow)
        await until(lambda: len(reader.texts) == 50)
        await kubelet.writes(*(f"{number} " + "y" * 30_000 for number in range(50)), later=2 * 10**9)
        await until(lambda: len(reader.texts) == 100)
        rest = bytes(kubelet.log_file).splitlines(keepends=True)[-3:]

        async def rotate() -> None:
            kubelet.log_file[:] = b"".join(rest)

        with pytest.raises(UnavailableError):
            await read_on(slow, rotate)
