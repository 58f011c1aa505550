"""What no job's transaction writes is written soon, and only so much of it."""

import asyncio
from collections.abc import Iterable
from typing import Any

from service.domain.audit_line import AuditLine, Outcome
from service.jobs import audit_trail
from service.jobs.audit_trail import AuditRecorder
from service.jobs.ports import UnavailableError
from tests.records_suite.auditing import line

HOUR = 60


class Trail:
    def __init__(self) -> None:
        self.lines: list[AuditLine] = []
        self.away = False

    async def note(self, lines: Iterable[AuditLine]) -> None:
        if self.away:
            raise UnavailableError("the store is away")
        self.lines += lines


class Wired:
    """A recorder with a clock of its own."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.trail = Trail()
        there: Any = self.trail
        self.recorder = AuditRecorder(there, lambda: self.seconds)

    def refuse(self, user: str, times: int = 1) -> None:
        for _ in range(times):
            self.recorder.put(line(user_id=user, user_name=user, outcome=Outcome.REFUSED, status=403))

    async def written(self) -> list[tuple[str, int]]:
        """(user, count) of each line, once the minute is over."""
        self.seconds += 60
        self.recorder._turn()
        await self.recorder._write()
        return [(one.user_name, one.count) for one in self.trail.lines]


async def test_what_one_caller_is_refused_beyond_ten_times_a_minute_is_counted_in_one_line() -> None:
    wired = Wired()
    wired.refuse("mallory", 5_000)
    wired.refuse("alice")
    assert await wired.written() == [*[("mallory", 1)] * 10, ("alice", 1), ("mallory", 4_990)]


async def test_many_callers_without_rights_fill_no_store_and_hide_no_count() -> None:
    wired = Wired()
    for minute in range(HOUR):
        wired.seconds = minute * 60.0
        for user in range(500):
            wired.refuse(f"sa-{user}", 2)
    found = await wired.written()
    assert len(found) <= HOUR * (audit_trail.MOST_NOT_DONE * 2 + 1)
    assert sum(count for _, count in found) == HOUR * 1_000


async def test_a_flood_of_refusals_hides_nothing_that_was_done() -> None:
    wired = Wired()
    for user in range(500):
        wired.refuse(f"sa-{user}")
    wired.recorder.put(line(user_id="carol", user_name="carol"))
    assert ("carol", 1) in await wired.written()


async def test_lines_wait_for_a_store_that_is_away() -> None:
    wired = Wired()
    wired.trail.away = True
    wired.refuse("bob")
    assert await wired.written() == []
    wired.trail.away = False
    assert await wired.written() == [("bob", 1)]
    assert await wired.written() == [("bob", 1)]


async def test_what_waits_is_written_when_the_replica_ends() -> None:
    wired = Wired()
    running = asyncio.create_task(wired.recorder.run())
    await asyncio.sleep(0)
    wired.refuse("bob", 12)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [(one.user_name, one.count) for one in wired.trail.lines] == [*[("bob", 1)] * 10, ("bob", 2)]
