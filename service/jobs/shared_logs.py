"""One connection to a kubelet for all who follow the same container, and one reading of each line's end.

Who joins is sent what is new from then on; what was written before they read by themselves, to its end, and go on with
what is new after the very line that they read last. So nothing is missed between the two, and no clock is believed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime

from service.domain.log_lines import LineSplitter, Position, nanoseconds
from service.domain.masked_lines import KEPT_BYTES
from service.domain.step_pod import StepPods
from service.jobs.ports import StepOutput, TooFarBehindError, UnavailableError

#: Bytes that a follower may be behind (contract: Following a job), whatever waits in its connection.
MOST_BEHIND = 2**20
#: A time before each line's text, and a node's name before it.
_MOST_LINE_BYTES = KEPT_BYTES + 512
#: Readings of what was written before that are begun at a time: each may be a connection of its own.
_BEGUN_AT_ONCE = 16
#: Readings of what was written before, until little is newer: each begins where the one before ended.
_READINGS = 10
_PAUSE_SECONDS = 0.2
#: Bytes that are taken at a time.
_TAKEN = 64 * 1024
#: Bytes among which the line is looked for that was read last.
_MOST_SKIPPED = 4 * MOST_BEHIND


@dataclass(eq=False, slots=True)
class _Follower:
    """What waits for one follower."""

    #: The last line that all were sent before this one joined; None: there was none.
    before: bytes | None
    pieces: deque[bytes] = field(default_factory=deque)
    waiting: int = 0
    overflowed: bool = False
    ended: bool = False
    error: Exception | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, piece: bytes) -> None:
        if self.overflowed:
            return
        self.pieces.append(piece)
        self.waiting += len(piece)
        if self.waiting > MOST_BEHIND:
            self.overflowed = True
            self.pieces.clear()
        self.changed.set()

    def end(self, error: Exception | None) -> None:
        self.ended, self.error = True, error
        self.changed.set()

    async def take(self) -> bytes:
        """The next of what is new; empty: the container's log has ended.

        Raises:
            TooFarBehindError: more than may wait was not taken.
            Exception: as the connection ended.
        """
        while not self.pieces:
            if self.overflowed:
                raise TooFarBehindError("a follower of output took nothing while a mebibyte was written")
            if self.ended:
                if self.error:
                    raise self.error
                return b""
            self.changed.clear()
            await self.changed.wait()
        taken: list[bytes] = []
        size = 0
        while self.pieces and size < _TAKEN:
            taken.append(self.pieces.popleft())
            size += len(taken[-1])
        self.waiting -= size
        return b"".join(taken)


class _Shared:
    """The connection to one container's log, from the last whole line that was there when it was opened."""

    def __init__(self, source: StepOutput, pod: str) -> None:
        self._source, self._pod = source, pod
        self._followers: set[_Follower] = set()
        self._last: bytes | None = None
        self._error: Exception | None = None
        #: Some of the log has come: what was written before can be read to where this connection began, and further.
        self.begun = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    def join(self) -> _Follower:
        follower = _Follower(self._last)
        self._followers.add(follower)
        if self.task.done():
            follower.end(self._error)
        return follower

    def leave(self, follower: _Follower) -> None:
        self._followers.discard(follower)

    def is_left(self) -> bool:
        return not self._followers

    async def _run(self) -> None:
        try:
            splitter = LineSplitter(_MOST_LINE_BYTES)
            # The last of them may not be whole: from the one before it on, no line that was is missed.
            async with aclosing(self._source.log(self._pod, follow=True, tail=2)) as pieces:
                async for piece in pieces:
                    if lines := splitter.feed(piece):
                        self._send(lines)
                    self.begun.set()
        except Exception as failed:  # noqa: BLE001 - it is every follower's
            self._error = failed
        for follower in self._followers:
            follower.end(self._error)
        self.begun.set()

    def _send(self, lines: list[bytes]) -> None:
        joined = _joined(lines)
        for follower in self._followers:
            follower.add(joined)
        self._last = lines[-1]


class SharedLogs:
    """Fills service.jobs.ports.StepOutput, over another that does."""

    def __init__(self, source: StepOutput) -> None:
        self._source = source
        self._shared: dict[str, _Shared] = {}
        self._beginning = asyncio.Semaphore(_BEGUN_AT_ONCE)

    def now(self) -> datetime:
        return self._source.now()

    async def step_pods(self, job_id: str) -> StepPods:
        return await self._source.step_pods(job_id)

    async def secret_values(self, job_id: str) -> Mapping[str, str] | None:
        return await self._source.secret_values(job_id)

    async def log(
        self, pod: str, *, follow: bool, since: str = "", tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """As service.jobs.ports.StepOutput says it; a follower who is too far behind is ended.

        Raises:
            TooFarBehindError: so much was written while the follower took nothing.
        """
        if not follow:
            async with aclosing(self._begun(pod, since, tail)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        shared = self._shared.get(pod)
        if shared is None or shared.task.done():
            shared = self._shared[pod] = _Shared(self._source, pod)
        try:
            async with aclosing(self._followed(shared, pod, since, tail)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            if shared.is_left():
                shared.task.cancel()
                if self._shared.get(pod) is shared:
                    del self._shared[pod]

    async def _followed(self, shared: _Shared, pod: str, since: str, tail: int | None) -> AsyncGenerator[bytes, None]:
        joined = _Joined(shared)
        try:
            await shared.begun.wait()
            for reading in range(_READINGS):
                if reading and not await joined.is_to_read_again():
                    break
                since, tail = joined.from_there(since, tail)
                async with aclosing(self._begun(pod, since, tail)) as pieces:
                    async for piece in joined.written_before(pieces):
                        yield piece
            async for piece in joined.written_since():
                yield piece
        finally:
            joined.leave()

    async def _begun(self, pod: str, since: str, tail: int | None) -> AsyncGenerator[bytes, None]:
        """What is there now; few of these begin at a time."""
        async with aclosing(self._source.log(pod, follow=False, since=since, tail=tail)) as pieces:
            async with self._beginning:
                first = await anext(pieces, b"")
            if first:
                yield first
                async for piece in pieces:
                    yield piece


class _Joined:
    """One who follows: first what was written before, until little is newer, and then what is new."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared
        self._follower = shared.join()
        self._last: bytes | None = None
        self._half = b""

    def leave(self) -> None:
        self._shared.leave(self._follower)

    def from_there(self, since: str, tail: int | None) -> tuple[str, int | None]:
        """From when on the log is asked for, and how much of it."""
        return (since, tail) if self._last is None else (_second(self._last), None)

    async def is_to_read_again(self) -> bool:
        """Whether more was written meanwhile than may wait, or the last line was not whole."""
        if not (self._follower.overflowed or self._half):
            return False
        await asyncio.sleep(_PAUSE_SECONDS)
        if self._follower.overflowed:
            self.leave()
            self._follower = self._shared.join()
        return True

    async def written_before(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Whole lines out of what is there now, after those that it got.

        Raises:
            UnavailableError: the last of those is not there any more.
        """
        splitter, after = LineSplitter(_MOST_LINE_BYTES), _After(self._last)
        async for piece in pieces:
            if lines := after.of(splitter.feed(piece)):
                self._last = lines[-1]
                yield _joined(lines)
        after.require_found()
        self._half = b"".join(splitter.end())

    async def written_since(self) -> AsyncIterator[bytes]:
        """As `written_before`, and TooFarBehindError."""
        after = _After(None if self._last == self._follower.before else self._last)
        while piece := await self._follower.take():
            if after.is_found:
                yield piece
            elif lines := after.of(piece.split(b"\n")[:-1]):
                yield _joined(lines)
            elif after.skipped > _MOST_SKIPPED:
                after.require_found()


class _After:
    """Lines after the one that was read last, out of a log that holds it. Its time alone may be another line's too."""

    def __init__(self, last: bytes | None) -> None:
        self._last = last
        self._met = False
        #: Bytes in which it was not found.
        self.skipped = 0
        #: Whatever comes now is new.
        self.is_found = last is None

    def of(self, lines: list[bytes]) -> list[bytes]:
        """Those of them that are new."""
        if self.is_found:
            return lines
        for index, line in enumerate(lines):
            if line == self._last:
                self._met = True
            elif self._met:
                self.is_found = True
                return lines[index:]
            else:
                self.skipped += len(line)
        return []

    def require_found(self) -> None:
        """Raises UnavailableError: the line is not there, so it is not known what was missed."""
        if not (self.is_found or self._met):
            raise UnavailableError("a container's log does not hold the line any more that was read last")


def _joined(lines: list[bytes]) -> bytes:
    return b"\n".join([*lines, b""])


def _second(line: bytes) -> str:
    """The second of a line's time, from which its log is asked for again; empty: from its beginning."""
    at = nanoseconds(line.partition(b" ")[0])
    return "" if at is None else Position(at).since
