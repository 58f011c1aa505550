"""The memory that request bodies may take in this process: all of them together, and those of one caller."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from service.api.problems import Problem

#: Seconds; by then some of the bodies are worked off.
RETRY_AFTER = 2


class BodyMemory:
    """Counts the bytes of bodies in work. A request that does not fit waits, and is refused after a while."""

    def __init__(self, total: int, seconds: float) -> None:
        """`total`: bytes of all bodies. `seconds`: how long a request waits for its part of them."""
        self._total = total
        #: No caller takes more than half, so that there is room for another.
        self._each = max(total // 2, 1)
        self._seconds = seconds
        self._taken: Counter[str] = Counter()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def take(self, user_id: str, size: int) -> AsyncIterator[None]:
        """Reserve a body's size while the block lasts; of one that is too large, as much as one caller may have.

        Raises:
            Problem: 503 when there is none for too long.
        """
        size = min(size, self._each)
        try:
            async with asyncio.timeout(self._seconds):
                while not self._fits(user_id, size):
                    await self._freed.wait()
        except TimeoutError as error:
            message = "too many large requests are under way; send this one again in a few seconds"
            headers = {"Retry-After": str(RETRY_AFTER)}
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, message, code="BUSY", headers=headers) from error
        self._taken[user_id] += size
        try:
            yield
        finally:
            self._give_back(user_id, size)

    def _fits(self, user_id: str, size: int) -> bool:
        return self._taken[user_id] + size <= self._each and self.taken + size <= self._total

    def _give_back(self, user_id: str, size: int) -> None:
        self._taken[user_id] -= size
        if not self._taken[user_id]:
            del self._taken[user_id]
        freed, self._freed = self._freed, asyncio.Event()
        freed.set()

    @property
    def taken(self) -> int:
        """Bytes that are reserved."""
        return self._taken.total()
