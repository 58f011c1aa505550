"""The attacker can write into the object store, as a step with its key can, and wants the service to work for them."""

import asyncio
import json
from typing import Any

import pytest

from service.domain.output_index import MOST_PACKS, BadIndexError, OutputIndex, index_key, pack_key
from service.jobs import packing_output, storing_output
from service.jobs.reading_stored import StoredOutput, read_index
from tests.unit.api.test_log import text
from tests.unit.api.test_stored_output import Cluster, several, world
from tests.unit.jobs.cluster import running, until

JOB = "job-abc123"
POD = {"name": "a", "step": "node", "attempt": 1, "nodes": ["n1"], "created": 0, "begun": True, "ended": True}
PART = {"pod": "a", "pack": 0, "offset": 0, "length": 9}


def index(**others: Any) -> bytes:
    return json.dumps({"version": 1, "pods": [POD], "parts": [PART], "packs": 1} | others).encode()


FORGED = [
    # The key of another job's archive.
    index(parts=[PART | {"pack": "../../dumplog/other-abc123/archive.tar"}]),
    index(parts=[PART | {"pack": -1}]),
    index(parts=[PART | {"pack": MOST_PACKS}]),
    index(parts=[PART | {"offset": "0-0,5"}]),
    index(parts=[PART | {"length": 2**40}]),
    index(parts=[{"pod": ["a"]}]),
    index(pods=[POD | {"nodes": 5}]),
    index(pods=[POD | {"created": "now"}]),
    index(packs=10**15),
    index(packs="1"),
    index(version=2),
    b"[" * 100_000,
    b"\xff",
    b"7",
]


@pytest.mark.parametrize("forged", FORGED, ids=lambda content: content[:60].decode(errors="replace"))
async def test_an_index_of_another_making_names_no_key_and_breaks_nothing(forged: bytes) -> None:
    here = world("n1")
    here.goes()
    here.bucket.objects[index_key(JOB)] = forged
    with pytest.raises(BadIndexError):
        OutputIndex.of(forged)
    assert (await text(here))[0] == 404
    assert {asked.split("/")[1] for asked in here.bucket.asked} == {JOB}
    await here.storing().remove(JOB)
    assert here.bucket.objects == {}
    assert len(here.bucket.asked) < 10


async def test_an_index_without_an_end_is_not_read_to_it() -> None:
    here = Endless()
    assert await read_index(here, JOB) is None
    assert here.read < 20 * 2**20


class Endless:
    """A store with one object: 1 TiB of spaces."""

    read = 0

    def open(self, key: str, headers: Any) -> Any:
        del key, headers
        return self

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_error: object) -> None:
        pass

    @property
    async def pieces(self) -> Any:
        while self.read < 2**40:
            self.read += 2**20
            yield b" " * 2**20

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


@pytest.mark.parametrize("indexed", [True, False])
async def test_nothing_of_a_job_stays_after_its_record(monkeypatch: pytest.MonkeyPatch, *, indexed: bool) -> None:
    """A try that ended early wrote more packs than the next one, which the index is of; or there was no next."""
    monkeypatch.setattr(packing_output, "_PACK_BYTES", 10)
    here = several()
    if indexed:
        await here.ends()
    for number in range(9):
        here.bucket.objects.setdefault(pack_key(JOB, number), b"what the job wrote")
    await here.storing().remove(JOB)
    assert here.bucket.objects == {}


async def test_a_store_that_is_away_holds_many_jobs_no_longer_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their Workflows wait for it: with patience for each in turn the last of them would be held for hours."""
    monkeypatch.setattr(storing_output, "AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(storing_output, "PATIENCE_SECONDS", 0.5)
    here: Cluster = several()
    here.jobs = {f"job-{number}": here.jobs[JOB] for number in range(200)}
    here.bucket.away = True
    storing = here.storing()

    async def are_done() -> bool:
        done = [storing.is_done(job_id) for job_id in here.jobs]
        return all(done)

    async with running(storing.run()):
        await until(are_done, "Workflows are held for each job before theirs")


async def test_output_that_is_packed_well_holds_up_no_other_caller() -> None:
    """Empty lines become a thousandth: all of them are unpacked from what one look at the store brings."""
    here = world("n1")
    here.writes("a", *[""] * 2_000, nodes=("n1",))
    await here.ends()
    here.bucket.piece_bytes = 2**20
    found = await read_index(here.bucket, JOB)
    assert found
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    stored: Any = here
    async with running(others()):
        read = StoredOutput(here.bucket, JOB, found, stored).log("a", follow=False)
        pieces = [(len(piece), turns) async for piece in read]
    assert len(pieces) > 10
    assert max(length for length, _ in pieces) < 10_000
    assert len({turn for _, turn in pieces}) == len(pieces), "others have no turn between two pieces"
