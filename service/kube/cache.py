"""Answers that may be a few seconds old, bounded in number, asked for once however many wait for them.

One that is asked for shortly before it is too old is renewed in the background: a caller that asks again and again
never waits, and no answer is used for longer than it may be.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


_RIPE = 0.75


class BriefCache(Generic[Value]):
    """Keeps each answer `seconds` long and the `size` latest of them. Failures are not kept.

    `ripe` is the share of its life after which an answer that is still asked for is renewed.
    """

    def __init__(self, seconds: float, size: int, ripe: float = _RIPE) -> None:
        self._seconds = seconds
        self._size = size
        self._ripe_seconds = ripe * seconds
        self._answers: OrderedDict[Hashable, tuple[float, asyncio.Future[Value]]] = OrderedDict()
        self._renewing: dict[Hashable, asyncio.Task[None]] = {}

    async def get(
        self,
        key: Hashable,
        ask: Callable[[], Coroutine[Any, Any, Value]],
        renew: Callable[[], Coroutine[Any, Any, Value]] | None = None,
    ) -> Value:
        """The answer known for the key, or the one that `ask` brings; `renew`: the same where none waits for it."""
        answer = self._known(key)
        if answer is None:
            answer = asyncio.create_task(ask())
            self._put(key, answer, self._end())
        elif self._ripe(key) and answer.done() and key not in self._renewing:
            self._renewing[key] = asyncio.create_task(self._renew(key, renew or ask))
        # Shielded: the one who asked first may hang up while others wait for the same answer.
        return await asyncio.shield(answer)

    async def known(self, key: Hashable) -> Value | None:
        """The answer for the key, where it is there already or on its way."""
        answer = self._known(key)
        return None if answer is None else await asyncio.shield(answer)

    def keep(self, key: Hashable, value: Value) -> None:
        """Keep an answer that was got elsewhere, just now."""
        answer: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        answer.set_result(value)
        self._put(key, answer, self._end())

    def postpone(self, key: Hashable) -> None:
        """What is asked for the key waits for something first: its time begins only with `begin`."""
        self._count_until(key, math.inf)

    def begin(self, key: Hashable) -> None:
        """What is asked for the key is asked only now."""
        self._count_until(key, self._end())

    def _count_until(self, key: Hashable, end: float) -> None:
        if key in self._answers and not (answer := self._answers[key][1]).done():
            self._answers[key] = (end, answer)

    async def _renew(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, Value]]) -> None:
        """A failure is left to who asks when there is no answer any more."""
        end = self._end()
        try:
            answer = asyncio.ensure_future(ask())
            await asyncio.wait([answer])
            if not _failed(answer) and end > self._answers.get(key, (0.0, answer))[0]:
                self._put(key, answer, end)
        finally:
            del self._renewing[key]

    def _end(self) -> float:
        """Until when an answer is good that is asked for now."""
        return time.monotonic() + self._seconds

    def _ripe(self, key: Hashable) -> bool:
        return self._answers[key][0] - time.monotonic() < self._seconds - self._ripe_seconds

    def _known(self, key: Hashable) -> "asyncio.Future[Value] | None":
        until, answer = self._answers.get(key, (0.0, None))
        return None if answer is None or until <= time.monotonic() or _failed(answer) else answer

    def _put(self, key: Hashable, answer: "asyncio.Future[Value]", end: float) -> None:
        self._answers[key] = (end, answer)
        self._answers.move_to_end(key)
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)

    def __len__(self) -> int:
        return len(self._answers)


def _failed(answer: "asyncio.Future[Any]") -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)
