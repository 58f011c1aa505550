"""A process that dies at any moment leaves whole jobs only, and every job it spoke of."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE

import pytest

from service.jobs.ports import Claim
from service.records.store import SqlRecords
from tests.records_suite.example import NOON, a_key, a_query

ADD_FOR_EVER = """
import asyncio, itertools, sys
from service.records.store import SqlRecords
from tests.records_suite.example import NOON, a_job, a_key

async def main():
    store = SqlRecords(sys.argv[1])
    for number in itertools.count():
        await store.claim(a_key(f"key-{number}"), NOON)
        await store.add(a_job(f"job-{number}"), a_key(f"key-{number}"))
        print(number, flush=True)

asyncio.run(main())
"""


class TestCrash:
    @pytest.mark.slow
    @pytest.mark.parametrize("lines", [1, 2, 30])
    async def test_killed_while_writing(self, url: str, store: SqlRecords, lines: int) -> None:
        last = await _add_until_killed(url, lines)
        # The job after the last one that was spoken of may or may not have been written.
        assert last + 1 <= (await store.page(a_query())).total <= last + 2
        for number in range(last + 3):
            job = await store.get(f"job-{number}")
            assert job is not None or number > last
            claim = await store.claim(a_key(f"key-{number}"), NOON)
            assert claim in ([Claim(job_id=f"job-{number}")] if job else [Claim(), Claim(in_flight=True)])


async def _add_until_killed(url: str, lines: int) -> int:
    """The number of the last job that the process said it had added."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", ADD_FOR_EVER, url, stdout=PIPE)
    assert process.stdout is not None
    for _ in range(lines):
        assert await process.stdout.readline(), "it ended by itself"
    process.send_signal(signal.SIGKILL)
    rest = (await process.stdout.read()).split()
    await process.wait()
    return int(rest[-1]) if rest else lines - 1
