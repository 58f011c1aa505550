"""How many streams there are, by caller and in all (contract: Following a job)."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from service.api.outbox import Outboxes
from service.api.problems import Problem

#: Seconds; a stream lasts as long as its reader wants, so there is no better guess.
RETRY_AFTER = 10


class OpenStreams:
    """Counts the streams of this replica, apart from the limit on requests, and ends all of them when it stops."""

    def __init__(self, per_caller: int = 20, per_replica: int = 500) -> None:
        self._per_caller = per_caller
        self._per_replica = per_replica
        self._open: Counter[str] = Counter()
        #: Set when the process was asked to stop: every stream ends.
        self.ending = asyncio.Event()
        self.outboxes = Outboxes()

    @contextmanager
    def take(self, user_id: str) -> Iterator[None]:
        """Count one more stream of that caller for as long as the block lasts.

        Raises:
            Problem: 429 where the caller, or all callers together, have as many as there may be.
        """
        if self._open[user_id] >= self._per_caller:
            raise _too_many(f"{self._per_caller} streams of yours are open: end one before you open another")
        if self._open.total() >= self._per_replica:
            raise _too_many(f"{self._per_replica} streams are open here, which is as many as there may be")
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            if not self._open[user_id]:
                del self._open[user_id]

    def end_all(self) -> None:
        self.ending.set()

    def __len__(self) -> int:
        return self._open.total()


def _too_many(message: str) -> Problem:
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, message, headers={"Retry-After": str(RETRY_AFTER)})
