"""What callers did, in the store: a part of the port service.jobs.ports.Records, and what writes to it."""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import structlog

from service.domain.audit_line import AuditLine, AuditQuery, Outcome
from service.domain.list_query import Page

log = structlog.get_logger()

#: Lines of one caller in a minute; what they do beyond is counted in one line more for each outcome.
MOST_OF_A_CALLER = 10
#: Refused and failed calls of all callers of a replica together in a minute, each with a line of its own.
MOST_NOT_DONE = 60
#: Lines that wait for a store that is away.
MOST_WAITING = 10_000
#: Seconds between two looks at what waits; so much of it is lost where the process is killed. The log has it.
ROUND = 1.0
_MINUTE = 60.0
_LAST_SECONDS = 3.0


class AuditTrail(Protocol):
    """Every method raises UnavailableError when the store does not answer."""

    async def note(self, lines: Iterable[AuditLine]) -> None: ...

    async def audit_page(self, query: AuditQuery) -> Page:
        """Lines of the cluster that the query is asked in, and how many there are in all."""
        ...

    async def drop_audit_lines(self, cluster_id: str, before: datetime) -> int:
        """Drop that cluster's lines from before, and of refused and failed calls all but the newest; how many."""
        ...


class AuditRecorder:
    """Writes what no job's transaction does, a moment later: refusals, failures, calls that changed nothing.

    How much of it there is, is bounded whoever sends whatever: a token without any right fills no store.
    """

    def __init__(self, trail: AuditTrail, clock: Callable[[], float] = time.monotonic) -> None:
        self._trail = trail
        self._clock = clock
        self._waiting: deque[AuditLine] = deque(maxlen=MOST_WAITING)
        self._minute = 0
        self._of_caller: Counter[str] = Counter()
        self._not_done = 0
        #: (caller, outcome) → the last of the lines beyond the limits, and how many it stands for.
        self._beyond: dict[tuple[str, Outcome], AuditLine] = {}

    def put(self, line: AuditLine) -> None:
        """Have the line written soon, or counted where its caller, or all together, had their lines of this minute."""
        self._turn()
        done = line.outcome is Outcome.DONE
        if not done and self._not_done >= MOST_NOT_DONE and line.user_id not in self._of_caller:
            self._count(replace(line, user_id="", user_name="", groups=(), source=""))
        elif self._of_caller[line.user_id] >= MOST_OF_A_CALLER or not (done or self._not_done < MOST_NOT_DONE):
            self._count(line)
        else:
            self._of_caller[line.user_id] += 1
            self._not_done += not done
            self._waiting.append(line)

    async def run(self) -> None:
        """Write what waits, for ever; when it is cancelled, the rest of it once more."""
        try:
            while True:
                await asyncio.sleep(ROUND)
                self._turn()
                await self._write()
        finally:
            self._end_minute()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await self._write()

    def _turn(self) -> None:
        minute = int(self._clock() // _MINUTE)
        if minute != self._minute:
            self._end_minute()
            self._minute = minute

    def _end_minute(self) -> None:
        self._waiting.extend(self._beyond.values())
        self._beyond.clear()
        self._of_caller.clear()
        self._not_done = 0

    def _count(self, line: AuditLine) -> None:
        key = line.user_id, line.outcome
        before = self._beyond.get(key)
        self._beyond[key] = replace(line, count=before.count + 1 if before else 1)

    async def _write(self) -> None:
        lines = list(self._waiting)
        if not lines:
            return
        try:
            await self._trail.note(lines)
        except Exception as error:  # noqa: BLE001 - whatever it is, they wait, and the log has them
            log.warning("audit lines wait for the store", count=len(lines), reason=str(error))
            return
        for _ in lines:
            if self._waiting:
                self._waiting.popleft()
