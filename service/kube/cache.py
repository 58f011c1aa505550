"""Answers that may be a few seconds old, bounded in number, asked for once however many wait for them."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class BriefCache(Generic[Value]):
    """Keeps each answer `seconds` long and the `size` latest of them. Failures are not kept."""

    def __init__(self, seconds: float, size: int) -> None:
        self._seconds = seconds
        self._size = size
        self._answers: OrderedDict[Hashable, tuple[float, asyncio.Future[Value]]] = OrderedDict()

    async def get(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """The answer known for the key, or the one that `ask` brings."""
        answer = self._known(key)
        if answer is None:
            answer = asyncio.create_task(ask())
            self._put(key, answer)
        # Shielded: the one who asked first may hang up while others wait for the same answer.
        return await asyncio.shield(answer)

    async def known(self, key: Hashable) -> Value | None:
        """The answer for the key, where it is there already or on its way."""
        answer = self._known(key)
        return None if answer is None else await asyncio.shield(answer)

    def keep(self, key: Hashable, value: Value) -> None:
        """Take over an answer that was got elsewhere, just now."""
        answer: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
        answer.set_result(value)
        self._put(key, answer)

    def _known(self, key: Hashable) -> "asyncio.Future[Value] | None":
        until, answer = self._answers.get(key, (0.0, None))
        return None if answer is None or until <= time.monotonic() or _failed(answer) else answer

    def _put(self, key: Hashable, answer: "asyncio.Future[Value]") -> None:
        self._answers[key] = (time.monotonic() + self._seconds, answer)
        self._answers.move_to_end(key)
        while len(self._answers) > self._size:
            self._answers.popitem(last=False)

    def __len__(self) -> int:
        return len(self._answers)


def _failed(answer: "asyncio.Future[Any]") -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)
