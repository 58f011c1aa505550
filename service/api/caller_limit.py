"""How many requests of one caller are handled at a time, so that no caller takes the service away from the others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from service.api.problems import Problem

#: Seconds; by then some of the caller's own requests are answered.
RETRY_AFTER = 1


class CallerLimit:
    """Counts the requests under way in this replica, per caller."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def take(self, user_id: str) -> Iterator[None]:
        """Count one more request of that caller for as long as the block lasts.

        Raises:
            Problem: 429 when the caller has as many as they may.
        """
        if self._under_way[user_id] >= self._most:
            message = f"{self._most} of your requests are under way; wait for their answers before you send more"
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, message, headers={"Retry-After": str(RETRY_AFTER)})
        self._under_way[user_id] += 1
        try:
            yield
        finally:
            self._under_way[user_id] -= 1
            if not self._under_way[user_id]:
                del self._under_way[user_id]

    def __len__(self) -> int:
        return len(self._under_way)
