"""One look at the records serves all followers of a replica."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any, cast

import pytest

from service.domain.job import Job, Phase
from service.jobs import job_followers
from service.jobs.job_followers import JobFollowers, Snapshot
from service.jobs.ports import Records, UnavailableError
from tests.records_suite.example import a_job

FOLLOWERS = 200


class Counted:
    """Records that change when a test says so, and count how often they were looked at."""

    def __init__(self) -> None:
        self.known = {f"job-{number}": (a_job(f"job-{number}"), 0) for number in range(3)}
        self.looks: list[int] = []
        self.reads: list[str] = []
        self.away = False
        self.told = asyncio.Event()

    def change(self, job_id: str, **fields: Any) -> None:
        _, version = self.known[job_id]
        self.known[job_id] = a_job(job_id, **fields), version + 1
        self.told.set()

    async def next_look(self) -> None:
        await self.told.wait()
        self.told.clear()

    async def versions(self, job_ids: Collection[str]) -> Mapping[str, int]:
        if self.away:
            self.away = False
            self.told.set()
            raise UnavailableError("the store is away")
        self.looks.append(len(job_ids))
        return {job_id: version for job_id, (_, version) in self.known.items() if job_id in job_ids and version}

    async def get_version(self, job_id: str) -> tuple[Job, int] | None:
        self.reads.append(job_id)
        return self.known[job_id]

    @property
    def port(self) -> Records:
        return cast("Records", self)

    def snapshot(self, job_id: str) -> Snapshot:
        job, version = self.known[job_id]
        return Snapshot(version, job)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_followers, "REST", 0.01)
    monkeypatch.setattr(job_followers, "AGAIN", 0.01)


async def test_200_followers_are_one_look_and_one_read_a_change() -> None:
    records = Counted()
    followers, made, following = JobFollowers(records.port), [], asyncio.Event()

    def make(before: Job, after: Job) -> bytes:
        made.append((before.job_id, after.job_id))
        return b"changed"

    async def follow(number: int) -> bytes:
        known = records.snapshot(f"job-{number % 2}")
        async with followers.follow(known.job.job_id, known) as followed:
            if number == FOLLOWERS - 1:
                following.set()
            return followed.shared(known, await followed.later_than(known.version), make)

    async with asyncio.timeout(30):
        told = [asyncio.create_task(follow(number)) for number in range(FOLLOWERS)]
        await following.wait()
        records.change("job-0")
        records.change("job-2")
        records.change("job-1")
        assert await asyncio.gather(*told) == [b"changed"] * FOLLOWERS
    assert records.looks == [2]
    assert sorted(records.reads) == ["job-0", "job-1"]
    assert len(made) == 2


async def test_nobody_looks_where_nobody_follows() -> None:
    records = Counted()
    followers = JobFollowers(records.port)
    for _ in range(2):
        async with followers.follow("job-0", records.snapshot("job-0")) as followed:
            records.change("job-0", phase=Phase.RUNNING)
            async with asyncio.timeout(30):
                latest = await followed.later_than(followed.latest.version)
        assert latest.job.phase is Phase.RUNNING
    records.change("job-0")
    await asyncio.sleep(0.05)
    assert records.looks == [1, 1]


async def test_a_store_that_is_away_for_a_while_is_waited_for() -> None:
    records = Counted()
    records.away = True
    followers = JobFollowers(records.port)
    async with asyncio.timeout(30), followers.follow("job-0", records.snapshot("job-0")) as followed:
        records.change("job-0")
        assert (await followed.later_than(0)).version == 1


async def test_who_is_late_is_told_of_the_latest_and_misses_nothing() -> None:
    records = Counted()
    followers = JobFollowers(records.port)
    known = records.snapshot("job-0")
    async with asyncio.timeout(30), followers.follow("job-0", known) as followed:
        records.change("job-0", phase=Phase.RUNNING)
        await followed.later_than(0)
        records.change("job-0", phase=Phase.SUCCEEDED)
        await followed.later_than(1)
        said = followed.shared(
            known, await followed.later_than(0), lambda *both: " ".join(job.phase for job in both).encode()
        )
    assert said == b"Pending Succeeded"
