"""Responses that last: what ends them, and that nothing waits without bounds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import pytest

from service.api import streams
from service.api.open_streams import OpenStreams
from service.api.outbox import FarBehindError, Outbox, Outboxes
from service.api.problems import Problem
from service.api.streams import StreamResponse
from service.connection_timeouts import ABORT
from service.jobs.ports import UnavailableError


@dataclass
class Reader:
    """The other end of a response; reads only while `reads` is set."""

    reads: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    got: list[dict[str, Any]] = field(default_factory=list)
    aborted: bool = False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            await self.reads.wait()
        self.got.append(message)

    async def receive(self) -> dict[str, str]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    def abort(self) -> None:
        self.aborted = True
        self.gone.set()

    async def run(self, response: StreamResponse) -> None:
        scope = {"type": "http", "extensions": {ABORT: self.abort}}
        await asyncio.wait_for(response(scope, self.receive, self.send), 20)

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.got[1:])

    @property
    def whole(self) -> bool:
        return not self.got[-1].get("more_body") and not self.aborted


@pytest.fixture
def reader() -> Reader:
    made = Reader()
    made.reads.set()
    return made


async def allowed() -> None:
    pass


def stream(
    source: Callable[[Outbox], Awaitable[None]],
    still_allowed: Callable[[], Awaitable[None]] = allowed,
    *,
    opened: OpenStreams | None = None,
    media_type: str = "text/plain",
) -> StreamResponse:
    opened = OpenStreams() if opened is None else opened  # one without streams is as false as an empty list
    return StreamResponse(opened, source, still_allowed, media_type=media_type)


async def for_ever(outbox: Outbox) -> None:
    await outbox.put(b"first\n")
    await asyncio.Event().wait()


async def test_a_stream_ends_with_its_source_and_is_whole(reader: Reader) -> None:
    async def source(outbox: Outbox) -> None:
        for number in range(1000):
            await outbox.put(b"%d\n" % number, live=False)

    await reader.run(stream(source))
    assert reader.whole
    assert reader.body == b"".join(b"%d\n" % number for number in range(1000))
    assert b"content-length" not in dict(reader.got[0]["headers"])


@pytest.mark.parametrize("error", [UnavailableError("away"), RuntimeError("unexpected")])
async def test_a_text_whose_source_fails_is_not_whole(reader: Reader, error: Exception) -> None:
    async def source(outbox: Outbox) -> None:
        await outbox.put(b"half")
        raise error

    await reader.run(stream(source))
    assert (reader.aborted, reader.body) == (True, b"half")


async def test_every_stream_ends_when_the_process_is_asked_to_stop(reader: Reader) -> None:
    opened = OpenStreams()
    running = asyncio.create_task(reader.run(stream(for_ever, opened=opened, media_type="text/event-stream")))
    await asyncio.sleep(0.05)
    opened.end_all()
    await running
    assert reader.whole
    assert not opened.outboxes.open


async def test_a_stream_ends_with_its_reader(reader: Reader) -> None:
    running = asyncio.create_task(reader.run(stream(for_ever)))
    await asyncio.sleep(0.05)
    reader.gone.set()
    await running


async def test_a_stream_ends_with_the_right_to_it(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.01)
    looks = iter([None, Problem(HTTPStatus.NOT_FOUND, "gone")])

    async def still_allowed() -> None:
        if problem := next(looks):
            raise problem

    await reader.run(stream(for_ever, still_allowed))
    assert (reader.aborted, next(looks, "no more")) == (True, "no more")


@pytest.mark.parametrize("error", [UnavailableError("away"), Problem(HTTPStatus.SERVICE_UNAVAILABLE, "away")])
async def test_a_stream_outlives_a_short_outage_of_kubernetes_and_no_long_one(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(streams, "UNKNOWN_SECONDS", 0.025)
    # Two looks in vain, one that is answered, then none any more.
    looks = [error, error, None]
    asked = 0

    async def still_allowed() -> None:
        nonlocal asked
        asked += 1
        if outcome := looks.pop(0) if looks else error:
            raise outcome

    await reader.run(stream(for_ever, still_allowed))
    assert asked == 6


async def test_events_are_kept_alive_by_comments(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "COMMENT_SECONDS", 0.01)
    running = asyncio.create_task(reader.run(stream(for_ever, media_type="text/event-stream")))
    while reader.body.count(b": \n\n") < 3:  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.01)
    reader.gone.set()
    await running


async def test_a_live_source_ends_a_reader_who_is_a_mebibyte_behind(reader: Reader) -> None:
    reader.reads.clear()
    put = 0

    async def source(outbox: Outbox) -> None:
        nonlocal put
        while True:
            await outbox.put(b"x" * 1000)
            put += 1000
            await asyncio.sleep(0)

    await reader.run(stream(source, media_type="text/event-stream"))
    assert reader.aborted
    assert 2**20 - 1000 <= put <= 2**20 + 3 * 64 * 1024


async def test_a_source_that_can_wait_waits_for_its_reader(reader: Reader) -> None:
    reader.reads.clear()
    put = 0

    async def source(outbox: Outbox) -> None:
        nonlocal put
        for _ in range(5000):
            await outbox.put(b"x" * 1000, live=False)
            put += 1

    running = asyncio.create_task(reader.run(stream(source)))
    await asyncio.sleep(0.2)
    assert put < 200
    reader.reads.set()
    await running
    assert len(reader.body) == 5_000_000


async def test_a_reader_who_takes_nothing_for_too_long_is_ended() -> None:
    outbox = Outbox(Outboxes(), most_seconds=0.05)
    await outbox.put(b"something")
    assert not outbox.behind
    await asyncio.sleep(0.06)
    assert outbox.behind


async def test_where_too_much_waits_in_all_the_furthest_behind_is_ended_alone() -> None:
    everyone = Outboxes(most=100_000)
    one, other = Outbox(everyone), Outbox(everyone)
    await one.put(b"x" * 60_000)
    await other.put(b"x" * 30_000)
    await other.put(b"x" * 11_000)
    assert (one.behind, one.size, other.behind, everyone.waiting) == (True, 0, False, 41_000)
    with pytest.raises(FarBehindError):
        await one.put(b"more")
    other.close()
    one.close()
    assert (everyone.waiting, everyone.open) == (0, set())


def test_who_has_too_many_streams_is_told_so_and_others_are_not() -> None:
    opened = OpenStreams(per_caller=2, per_replica=3)
    with opened.take("alice"), opened.take("alice"):
        with pytest.raises(Problem) as caught, opened.take("alice"):
            pass
        assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "10")
        with opened.take("bob"), pytest.raises(Problem) as caught, opened.take("carol"):
            pass
        assert caught.value.status == 429
    assert len(opened) == 0


async def test_a_reader_who_is_gone_before_the_response_begins_leaves_nothing_behind() -> None:
    opened = OpenStreams()

    async def send(_message: Any) -> None:
        raise ConnectionResetError

    async def source(_outbox: Outbox) -> None:
        pytest.fail("nothing is read for a reader who is gone")

    with pytest.raises(ConnectionResetError):
        await stream(source, opened=opened)({"type": "http"}, Reader().receive, send)
    assert not opened.outboxes.open
