"""The memory that request bodies may take in this process: all of them together, and those of one caller.

Where there is none left, bodies that dawdle are cut off for the others: two callers could else hold all of it for as
long as a body may take, again and again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from service.api.problems import Problem

#: Seconds; by then some of the bodies are worked off.
RETRY_AFTER = 2
#: Seconds that a body may take to come though others wait for its memory.
DAWDLES_AFTER = 3.0
#: How often who waits looks for such.
_LOOK = 0.25


class Place:
    """What is reserved for one body."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.since = time.monotonic()
        self._reading: asyncio.Timeout | None = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """While the body comes it may be cut off for the sake of others.

        Raises:
            Problem: 503 when it was.
        """
        try:
            async with asyncio.timeout(None) as self._reading:
                yield
        except TimeoutError as error:
            raise _busy("the body came too slowly while others waited", {"Connection": "close"}) from error
        finally:
            self._reading = None

    def dawdles(self, after: float) -> bool:
        return self._reading is not None and time.monotonic() - self.since >= after

    def cut_off(self) -> None:
        if self._reading and not self._reading.expired():
            self._reading.reschedule(asyncio.get_running_loop().time())


class BodyMemory:
    """Counts the bytes of bodies in work. A request that does not fit waits, and is refused after a while."""

    def __init__(self, total: int, seconds: float, dawdles_after: float = DAWDLES_AFTER) -> None:
        """`total`: bytes of all bodies. `seconds`: how long a request waits for its part of them."""
        self._total = total
        #: No caller takes more than half, so that there is room for another.
        self._each = max(total // 2, 1)
        self._seconds = seconds
        self._dawdles_after = dawdles_after
        self._taken: Counter[str] = Counter()
        self._places: set[Place] = set()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def take(self, user_id: str, size: int) -> AsyncIterator[Place]:
        """Reserve a body's size while the block lasts; of one that is too large, as much as one caller may have.

        Raises:
            Problem: 503 when there is none for too long.
        """
        size = min(size, self._each)
        try:
            async with asyncio.timeout(self._seconds):
                while not self._fits(user_id, size):
                    self._cut_off_one(user_id, size)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK):
                            await self._freed.wait()
        except TimeoutError as error:
            raise _busy("too many large requests are under way") from error
        place = Place(user_id)
        self._taken[user_id] += size
        self._places.add(place)
        try:
            yield place
        finally:
            self._places.remove(place)
            self._give_back(user_id, size)

    def _fits(self, user_id: str, size: int) -> bool:
        return self._taken[user_id] + size <= self._each and self.taken + size <= self._total

    def _cut_off_one(self, user_id: str, size: int) -> None:
        """Cut off one body that dawdles, of the caller who takes most, where that one takes no less than this one."""
        wanted = self._taken[user_id] + size
        if wanted > self._each:
            return  # it waits for no other caller's
        slow = [
            place
            for place in self._places
            if place.user_id != user_id and self._taken[place.user_id] >= wanted and place.dawdles(self._dawdles_after)
        ]
        if slow:
            max(slow, key=lambda place: (self._taken[place.user_id], -place.since)).cut_off()

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


def _busy(what: str, headers: dict[str, str] | None = None) -> Problem:
    message = f"{what}; send this one again in a few seconds"
    more = {"Retry-After": str(RETRY_AFTER), **(headers or {})}
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, message, code="BUSY", headers=more)
