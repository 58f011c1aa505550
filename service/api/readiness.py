"""Whether the store and Kubernetes answer, looked at once for however many requests: those need no token."""

import asyncio
import time

from service.jobs.ports import Cluster, Records, UnavailableError

#: How old an answer may be.
SECONDS = 1.0


class Readiness:
    def __init__(self, records: Records, cluster: Cluster) -> None:
        self._records = records
        self._cluster = cluster
        self._asking = asyncio.Lock()
        self._until = 0.0
        self._failure: UnavailableError | None = None

    async def check(self) -> None:
        """Return where both answer.

        Raises:
            UnavailableError: one is away; the message names which.
        """
        async with self._asking:
            if time.monotonic() >= self._until:
                self._failure = await self._ask()
                self._until = time.monotonic() + SECONDS
        if self._failure:
            raise UnavailableError(str(self._failure)) from self._failure

    async def _ask(self) -> UnavailableError | None:
        try:
            await self._records.ping()
            await self._cluster.ping()
        except UnavailableError as error:
            return error
        return None
