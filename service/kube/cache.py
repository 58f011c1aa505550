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
        self._answers: OrderedDict[Hashable, tuple[float, asyncio.Task[Value]]] = OrderedDict()

    async def get(self, key: Hashable, ask: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """The answer known for the key, or the one that `ask` brings."""
        until, task = self._answers.get(key, (0.0, None))
        if task is None or until <= time.monotonic() or _failed(task):
            task = asyncio.create_task(ask())
            self._answers[key] = (time.monotonic() + self._seconds, task)
            self._answers.move_to_end(key)
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)
        # Shielded: the one who asked first may hang up while others wait for the same answer.
        return await asyncio.shield(task)

    def __len__(self) -> int:
        return len(self._answers)


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
