"""GET /{id}/log once a job's pods are gone: what was stored of it when it ended, as it was shown before."""

import gzip
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from service.domain.job import Job, JobType
from service.domain.output_index import OutputIndex
from service.jobs import packing_output, pod_reading, storing_output
from service.jobs.storing_output import OutputStoring
from tests.unit.api.test_log import BEGIN, Kubelets, events, job, text, texts
from tests.unit.jobs.bucket import Bucket
from tests.unit.jobs.cluster import running, until

INDEX = "output/job-abc123/index.json"


@dataclass
class Cluster(Kubelets):
    bucket: Bucket = field(default_factory=Bucket)

    async def get(self, job_id: str, *, texts: bool = True) -> Job | None:
        del texts
        return self.jobs.get(job_id)

    def storing(self) -> OutputStoring:
        here: Any = self
        return OutputStoring(here, here, self.bucket)

    async def ends(self) -> None:
        """The job ends: its output is stored, and its pods, its Secret and its Workflow go."""
        await self.storing().store("job-abc123")
        self.goes()

    def goes(self) -> None:
        self.secret = None
        for container in self.containers.values():
            container.gone = True
        self.jobs = {name: replace(job, workflow_gone=True) for name, job in self.jobs.items()}

    def app(self, **settings: Any) -> FastAPI:
        built = super().app(**settings)
        built.state.dependencies = replace(built.state.dependencies, stored=self.bucket)
        return built


def world(*nodes: str, **facts: Any) -> Cluster:
    return Cluster(jobs={"job-abc123": job(*nodes, **facts)})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pod_reading, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(storing_output, "AGAIN_SECONDS", 0.01)


def several() -> Cluster:
    """Steps of one node with two attempts, of another, of three nodes together, and of the whole job."""
    here = world("n1", "n2", "n3", "n4", "n5")
    here.writes("a", *(f"line {number}" for number in range(9)), nodes=("n1",))
    here.writes("a2", "again", "\x1b[31m \u2028 ü", nodes=("n1",), attempt=2, created=BEGIN + 3)
    here.writes("b", "two", nodes=("n2",), step="evict")
    here.writes("c", "n3: three", "n4: four", "of no node", "n3: more", nodes=("n3", "n4", "n5"), step="checks")
    here.writes("d", "done", step="evaluate", created=BEGIN + 5)
    here.writes("e", step="clean-up", created=BEGIN + 6)
    return here


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"node": "n1"},
        {"node": "n4"},
        {"step": "evict"},
        {"tailLines": "2"},
        {"tailLines": "0"},
        {"node": "n1", "tailLines": "100"},
        {"sinceTime": "2025-11-24T16:00:02Z"},
        {"follow": "true"},
    ],
)
async def test_it_is_read_as_before_its_pods_went(query: dict[str, str]) -> None:
    here = several()
    before = await text(here, **query), _told(await events(here, **query))
    await here.ends()
    assert (await text(here, **query), _told(await events(here, **query))) == before
    assert before[0][0] == 200


async def test_from_any_line_on_the_rest_comes_once_also_where_its_pods_went_meanwhile() -> None:
    here = several()
    whole = await events(here)
    await here.ends()
    for index, (name, event_id, _) in enumerate(whole):
        if name == "line":
            assert _told(await events(here, event_id)) == _told(whole[index + 1 :])


async def test_values_of_the_secret_are_masked_in_the_store_itself() -> None:
    recorded = {"KEY": "***", "MODE": "fast"}
    here = world("n1", "n2", type=JobType.PREFLIGHT, options={"env": recorded})
    here.secret = {"KEY": "correct horse battery", "MODE": "fast"}
    here.writes("a", "key correct horse battery, mode fast", "x" * 16_370 + " correct horse battery", nodes=("n1",))
    here.writes("b", "n1: correct horse battery", "n2: fast", nodes=("n1", "n2"), step="checks")
    shown = await text(here)
    await here.ends()
    assert await text(here) == shown
    stored = b"".join(_unpacked(content) for content in here.bucket.objects.values())
    assert b"key ***, mode fast" in stored
    assert b"correct" not in stored


async def test_output_of_which_it_is_not_known_what_to_mask_is_not_stored() -> None:
    here = world("n1", type=JobType.PREFLIGHT, options={"env": {"KEY": "***"}})
    here.writes("a", "correct horse battery", nodes=("n1",))
    await here.ends()
    assert here.bucket.objects == {}
    assert (await text(here))[0] == 404


async def test_of_each_node_and_step_the_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing_output, "MOST_BYTES", 5_000)
    monkeypatch.setattr(packing_output, "_PIECE_BYTES", 500)
    monkeypatch.setattr(packing_output, "_PACK_BYTES", 3_000)
    here = world("n1", "n2")
    here.writes("a", *(f"first {number}" for number in range(200)), nodes=("n1",))
    here.writes("b", *(f"second {number}" for number in range(100)), nodes=("n1",), attempt=2, created=BEGIN + 60)
    here.writes("c", "another step", nodes=("n1",), step="check", created=BEGIN + 90)
    here.writes("d", *(f"other {number}" for number in range(40)), nodes=("n2",))
    whole = await events(here)
    await here.ends()
    kept = texts(await events(here, node="n1", step="node"))
    assert kept[-100:] == [f"second {number}" for number in range(100)]
    assert kept == texts(whole)[300 - len(kept) : 300]
    assert 4_000 < sum(len(line) + 31 for line in kept) < 6_000
    assert texts(await events(here, node="n1", step="check")) == ["another step"]
    assert texts(await events(here, node="n2")) == [f"other {number}" for number in range(40)]
    # Who was further back is told what is missing, and gets the rest.
    later = await events(here, whole[9][1], node="n1", step="node")
    assert [data["reason"] for name, _, data in later if name == "gap"]
    assert texts(later) == kept


async def test_what_is_too_much_for_one_job_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing_output, "MOST_OF_A_JOB", 300)
    names = [f"n{number}" for number in range(20)]
    here = world(*names)
    for name in names:
        here.writes(name, "hello", nodes=(name,))
    await here.ends()
    assert sum(len(content) for key, content in here.bucket.objects.items() if key != INDEX) <= 300
    found = await events(here)
    assert texts(found)
    assert {data["reason"] for name, _, data in found if name == "gap"} == {"pod gone"}


async def test_only_who_may_see_the_job_reads_it() -> None:
    here = several()
    await here.ends()
    assert (await text(here, "bob"))[0] == 404
    here.verbs.add("get")
    assert (await text(here, "bob"))[0] == 200


async def test_of_a_dumplog_it_is_for_who_may_have_its_link() -> None:
    files = {"dumplog.json": json.dumps({"workloads": [{"namespace": "team", "name": "train", "pods": []}]})}
    here = world(type=JobType.DUMPLOG, work={"files": files})
    here.verbs.add("get")
    here.writes("a", "12 logs", step="dumplog")
    await here.ends()
    here.readable = False
    assert (await text(here, "bob"))[0] == 403
    here.readable = True
    assert await text(here, "bob") == (200, "12 logs\n")


async def test_keys_are_made_of_the_job_s_id_alone() -> None:
    here = world("../../n1")
    here.writes("../pod", "hello", nodes=("../../n1",), step="../step")
    await here.ends()
    assert set(here.bucket.objects) == {INDEX, "output/job-abc123/0.gz"}


async def test_what_is_stored_stays_where_another_replica_stores_it_again() -> None:
    here = several()
    await here.ends()
    kept = dict(here.bucket.objects)
    here.writes("z", "another", nodes=("n1",))
    await here.storing().store("job-abc123")
    assert here.bucket.objects == kept


async def test_a_job_that_made_no_pod_leaves_nothing() -> None:
    here = world("n1")
    await here.ends()
    assert here.bucket.objects == {}
    status, answer = await text(here)
    assert (status, "OUTPUT_GONE" in answer) == (404, True)


async def test_what_is_stored_is_read_while_the_pods_of_a_deleted_job_go() -> None:
    here = several()
    before = _told(await events(here))
    await here.ends()
    for container in here.containers.values():
        container.gone = container.pod.name == "a"  # still listed, but for one
    assert "line 8" not in texts(await events(replace_job(here, workflow_gone=False)))
    assert _told(await events(replace_job(here, hidden=True))) == before


async def test_a_store_that_is_away_is_503_and_nothing_is_lost_by_it() -> None:
    here = several()
    await here.ends()
    here.bucket.away = True
    status, answer = await text(here)
    assert (status, "object store" in answer) == (503, True)
    here.bucket.away = False
    assert (await text(here))[0] == 200


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"[]",
        b"null",
        b'{"version": 2}',
        b'{"version":1,"pods":[{"name":"a"}],"parts":[],"packs":0}',
        b'{"version":1,"pods":7,"parts":[],"packs":0}',
        b"[" * 100_000,
        b"\xff",
    ],
)
async def test_an_index_of_another_making_is_no_output(index: bytes) -> None:
    here = several()
    await here.ends()
    here.bucket.objects[INDEX] = index
    assert (await text(here))[0] == 404


@pytest.mark.parametrize(
    "pack",
    [
        b"",
        b"no gzip at all",
        gzip.compress(b"\0" * 30_000_000),
        gzip.compress(b"x\n" * 9)[:-9],
    ],
    ids=["empty", "no gzip", "a bomb", "cut off"],  # gzip writes the time: two processes would not know it for one test
)
async def test_a_pack_of_another_making_is_a_gap_or_less_and_bounded(pack: bytes) -> None:
    here = world("n1")
    here.writes("a", "hello", nodes=("n1",))
    await here.ends()
    index = OutputIndex.of(here.bucket.objects[INDEX])
    parts = tuple(replace(part, length=len(pack) or 1) for part in index.parts)
    here.bucket.objects |= {INDEX: replace(index, parts=parts).to_json(), "output/job-abc123/0.gz": pack}
    found = await events(here)
    assert "hello" not in texts(found)
    assert found[-1][0] == "end"


class TestInTheBackground:
    async def test_an_outage_is_waited_for(self) -> None:
        here = several()
        here.bucket.away = True
        done: list[str] = []
        storing = here.storing()
        storing.on_done = done.append
        async with running(storing.run()):
            assert not storing.is_done("job-abc123")

            async def tried() -> bool:
                return len(here.bucket.asked) > 2

            await until(tried, "it does not try again")
            assert (done, storing.is_done("job-abc123")) == ([], False)
            here.bucket.away = False
            await until(_is_done(storing), "it is not stored")
        assert done == ["job-abc123"]
        assert INDEX in here.bucket.objects

    async def test_an_outage_that_lasts_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(storing_output, "PATIENCE_SECONDS", 0.05)
        here = several()
        here.bucket.away = True
        storing = here.storing()
        with capture_logs() as logged:
            async with running(storing.run()):
                await until(_is_done(storing), "it holds the Workflow for ever")
        assert [line["job_id"] for line in logged] == ["job-abc123"]

    async def test_a_key_that_may_only_read_holds_up_nothing_and_is_logged_once(self) -> None:
        here = several()
        here.jobs["other"] = replace(here.jobs["job-abc123"], job_id="other")
        here.bucket.read_only = True
        storing = here.storing()
        with capture_logs() as logged:
            async with running(storing.run()):
                await until(_is_done(storing), "it holds the Workflow for ever")
                await until(_is_done(storing, "other"), "it holds the Workflow for ever")
        assert [line["event"] for line in logged] == ["the output of jobs is not stored"]
        assert "output/" in logged[0]["remedy"]

    async def test_a_failure_of_one_job_is_no_other_s(self) -> None:
        here = several()

        class Odd(dict[str, Job]):
            def get(self, job_id: str, _default: object = None) -> Any:
                if job_id == "odd":
                    raise RuntimeError("surprise")
                return self[job_id]

        here.jobs = Odd(here.jobs)
        storing = here.storing()
        with capture_logs() as logged:
            async with running(storing.run()):
                await until(_is_done(storing, "odd"), "it holds the Workflow for ever")
                await until(_is_done(storing), "the other waits for it")
        assert [line["log_level"] for line in logged] == ["error"]
        assert INDEX in here.bucket.objects


async def test_what_is_removed_is_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing_output, "_PACK_BYTES", 10)
    here = several()
    await here.ends()
    assert len(here.bucket.objects) > 3
    here.bucket.objects["output/job-abc1234/0.gz"] = b"another job's"
    await here.storing().remove("job-abc123")
    assert set(here.bucket.objects) == {"output/job-abc1234/0.gz"}
    await here.storing().remove("job-abc123")


def replace_job(here: Cluster, **facts: Any) -> Cluster:
    here.jobs = {name: replace(job, **facts) for name, job in here.jobs.items()}
    return here


def _told(found: list[tuple[str, str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    """Without ids, which say when their stream began."""
    return [(name, data) for name, _, data in found]


def _is_done(storing: OutputStoring, job_id: str = "job-abc123") -> Any:
    async def is_done() -> bool:
        return storing.is_done(job_id)

    return is_done


def _unpacked(content: bytes) -> bytes:
    return content if content[:1] == b"{" else gzip.decompress(content)
