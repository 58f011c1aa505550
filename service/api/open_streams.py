"""How many streams there are, by caller and in all (contract: Following a job)."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from service.api.outbox import Outboxes
from service.api.problems import Problem
from service.metrics import FOLLOWERS

#: Containers whose output is read at a time: by one caller's streams, and by all. Each is a connection to a kubelet.
_READ_PER_CALLER = 250
_READ_PER_REPLICA = 1_000
#: With so many streams lines are gathered for a second before they are sent; with fewer, for as much less.
_GATHERED_A_SECOND = 400
_MOST_GATHERED_SECONDS = 0.5
#: Seconds; a stream lasts as long as its reader wants, so there is no better guess.
RETRY_AFTER = 10


class OpenStreams:
    """Counts the streams of this replica, apart from the limit on requests, and ends all of them when it stops."""

    def __init__(self, per_caller: int = 20, per_replica: int = 500) -> None:
        self._per_caller = per_caller
        self._per_replica = per_replica
        self._open: Counter[str] = Counter()
        self._read: Counter[str] = Counter()
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
        with _counted(self._open, user_id), FOLLOWERS.track_inprogress():
            yield

    @contextmanager
    def read(self, user_id: str) -> Iterator[None]:
        """Count one more container whose output is read for that caller.

        Raises:
            Problem: 429 where there are as many as there may be.
        """
        if self._read[user_id] >= _READ_PER_CALLER or self._read.total() >= _READ_PER_REPLICA:
            raise _too_many("the output of too many steps is read here at one time: name a node, or end a stream")
        with _counted(self._read, user_id):
            yield

    def gather_seconds(self) -> float:
        """How long what is small may wait for more: hundreds of streams of single lines would take the processor."""
        return min(len(self) / _GATHERED_A_SECOND, _MOST_GATHERED_SECONDS)

    def end_all(self) -> None:
        self.ending.set()

    def __len__(self) -> int:
        return self._open.total()


@contextmanager
def _counted(counter: Counter[str], user_id: str) -> Iterator[None]:
    counter[user_id] += 1
    try:
        yield
    finally:
        counter[user_id] -= 1
        if not counter[user_id]:
            del counter[user_id]


def _too_many(message: str) -> Problem:
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, message, headers={"Retry-After": str(RETRY_AFTER)})
