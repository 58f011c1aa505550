"""Reading what one pod writes to its end, whatever interrupts it."""

import asyncio
from array import array
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from service.domain.job_output import Missing
from service.domain.log_lines import Gap, Line, LineSplitter, LogReading, Position
from service.domain.masked_lines import KEPT_BYTES
from service.domain.step_pod import StepPod
from service.jobs.ports import GoneFromNodeError, StepOutput, UnavailableError

#: Tries in vain to read what a container left that has ended; one that runs is waited for.
_TRIES = 4
_PAUSE_SECONDS = 2.0
#: A time before each line's text, and a node's name before it.
_MOST_LINE_BYTES = KEPT_BYTES + 512
#: Lines at the end of a log that may be left out when it is shown: the executor's, and those of a check's result.
_LEFT_OUT_LINES = 200
#: A piece of the log that is smaller may wait for the next.
_SMALL_BYTES = 4 * 1024
#: Lines that are handed on before others have their turn.
_AT_A_TIME = 200


@dataclass(slots=True, kw_only=True)
class PodReading:
    """`hand_on` takes lines and returns the position of the last; `look` returns the pod as it is now."""

    source: StepOutput
    pod: StepPod
    #: The last line that was handed on before.
    last: Position | None
    #: Only lines from then on (nanoseconds), and only so many of those that are shown from the end.
    since: int
    tail: int | None
    is_shown: Callable[[StepPod, Line], bool]
    hand_on: Callable[[StepPod, Iterable[Line | Gap]], Awaitable[Position | None]]
    missing: Callable[[StepPod, int, Missing], Awaitable[None]]
    look: Callable[[StepPod], Awaitable[StepPod]]
    #: Seconds in which small pieces are gathered: each costs as much as a larger one, and many read many logs.
    gather: Callable[[], float] = lambda: 0.0

    async def run(self, *, follow: bool) -> None:
        """Until its container has ended and its log was read to the end once after that; without `follow` once."""
        tries = 0
        while True:
            ended = self.pod.ended
            try:
                if self.tail is not None and self.last is None:
                    await self._pass_over(self.tail)
                await self._read(follow=follow and not ended)
                if ended or not follow:
                    return
            except GoneFromNodeError:
                await self._say_missing(Missing.POD_GONE)
                return
            except UnavailableError:
                tries += 1
                if tries >= _TRIES and (ended or not follow):
                    await self._say_missing(Missing.UNREACHABLE)
                    return
            await asyncio.sleep(min(tries or 1, _PAUSE_SECONDS))
            self.pod = await self.look(self.pod)

    async def _pass_over(self, tail: int) -> None:
        """Go on before the last lines that are shown, as if all others had been read."""
        # Time and number of the line before each that is shown: very many tails are read at a time.
        before = array("q")
        last: Position | None = None
        reading, splitter = LogReading(), LineSplitter(_MOST_LINE_BYTES)
        async with aclosing(self.source.log(self.pod.name, follow=False, tail=tail + _LEFT_OUT_LINES)) as pieces:
            async for piece in pieces:
                for line in _new(reading, splitter.feed(piece)):
                    if isinstance(line, Line):
                        if self.is_shown(self.pod, line):
                            before.extend((last.at, last.number) if last else (0, -1))
                            del before[: max(0, len(before) - 2 * tail)]
                        last = Position(line.at, line.number)
        if before:
            last = Position(before[0], before[1]) if before[0] else None
        self.last = last

    async def _read(self, *, follow: bool) -> None:
        """From the last line on."""
        begin = self.last or Position(self.since)
        reading, splitter = LogReading(self.last), LineSplitter(_MOST_LINE_BYTES)
        log = self.source.log(
            self.pod.name,
            follow=follow,
            since=begin.since if begin.at else "",
            tail=None if self.last or self.tail is None else self.tail + _LEFT_OUT_LINES,
        )
        async with aclosing(log) as pieces:
            async for piece in pieces:
                await self._hand_on(reading, splitter.feed(piece))
                if len(piece) < _SMALL_BYTES:
                    await asyncio.sleep(self.gather())
        if self.pod.ended:
            # What has no end while a container runs may be half a line.
            await self._hand_on(reading, splitter.end(), ends=False)

    async def _hand_on(self, reading: LogReading, raw: Sequence[bytes], *, ends: bool = True) -> None:
        for begin in range(0, len(raw), _AT_A_TIME):
            last = await self.hand_on(self.pod, _new(reading, raw[begin : begin + _AT_A_TIME], ends=ends))
            self.last = last or self.last

    async def _say_missing(self, reason: Missing) -> None:
        await self.missing(self.pod, self.last.at if self.last else 0, reason)


def _new(reading: LogReading, raw: Iterable[bytes], *, ends: bool = True) -> Iterator[Line | Gap]:
    for line in raw:
        yield from reading.line(line, ends=ends)
