"""GET /{id}/log over kubelets that a test writes: what is shown to whom, to the end, and on from any line."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.job import Job, JobType, NodePhase, Phase, Plan, PlannedNode
from service.domain.log_lines import nanoseconds, rfc3339_nanoseconds
from service.domain.step_pod import StepPod, StepPods
from service.jobs import pod_reading, reading_output
from service.jobs.ports import GoneFromNodeError, TooFarBehindError, UnavailableError
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, World

SECOND = 10**9
BEGIN = 1_764_000_000
URL = f"{JOBS}/job-abc123/log"
EVENTS = {"Accept": "text/event-stream"}


@dataclass
class Container:
    pod: StepPod
    lines: list[str] = field(default_factory=list)
    #: What is to come, by a follower's reads: None breaks the connection.
    coming: list[str | None] = field(default_factory=list)
    gone: bool = False

    def log(self, since: int) -> list[bytes]:
        return [f"{rfc3339_nanoseconds(at)} {text}\n".encode() for at, text in self.times() if at >= since]

    def times(self) -> list[tuple[int, str]]:
        first = self.pod.created * SECOND
        return [(first + index * SECOND // 4, text) for index, text in enumerate(self.lines)]


@dataclass
class Kubelets(World):
    """A world in which jobs have written something."""

    containers: dict[str, Container] = field(default_factory=dict)
    over: bool = True
    secret: Mapping[str, str] | None = None
    readable: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)

    def writes(self, name: str, *lines: str, **facts: Any) -> Container:
        known: dict[str, Any] = {"step": "node", "attempt": 1, "created": BEGIN, "begun": True, "ended": True}
        made = Container(StepPod(name=name, **{**known, **facts}), list(lines))
        self.containers[name] = made
        return made

    async def step_pods(self, _job_id: str) -> StepPods:
        pods = [container.pod for container in self.containers.values() if not container.gone]
        return StepPods(tuple(sorted(pods, key=lambda pod: (pod.created, pod.name))), self.over)

    async def log(
        self, pod: str, *, follow: bool, since: str = "", tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        self.asked.append({"pod": pod, "follow": follow, "since": since, "tail": tail})
        container = self.containers[pod]
        if container.gone:
            raise GoneFromNodeError(pod)
        from_then = nanoseconds(since.encode()) or 0 if since else 0
        lines = container.log(from_then)
        for line in lines if tail is None else lines[len(lines) - tail :]:
            yield line[:7]
            yield line[7:]
        while follow and container.coming:
            text = container.coming.pop(0)
            if text is None:
                raise UnavailableError("the connection broke")
            container.lines.append(text)
            yield container.log(0)[-1]
        if follow:
            container.pod = replace(container.pod, ended=True)
            self.over = not any(not other.pod.ended for other in self.containers.values())

    async def secret_values(self, _job_id: str) -> Mapping[str, str] | None:
        return self.secret

    async def may_get(self, *_asked: object) -> bool:
        return self.readable


def job(*nodes: str, phase: Phase = Phase.SUCCEEDED, **facts: Any) -> Job:
    plan = Plan(tuple(PlannedNode(name, NodePhase.RUNNING) for name in nodes))
    known: dict[str, Any] = {
        "type": JobType.ADDON,
        "user_id": "id-alice",
        "user_name": "alice",
        "plan": plan,
    }
    return Job(
        job_id="job-abc123",
        job_name="job",
        cluster_id="local",
        created=datetime.now(UTC),
        phase=phase,
        **{**known, **facts},
    )


def world(*nodes: str, **facts: Any) -> Kubelets:
    return Kubelets(jobs={"job-abc123": job(*nodes, **facts)})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_output, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(pod_reading, "_PAUSE_SECONDS", 0.01)


async def text(here: Kubelets, who: str = "alice", **query: str) -> tuple[int, str]:
    async with client_of(here.app(), who) as client:
        answer = await client.get(URL, params=query)
    return answer.status_code, answer.text


async def events(here: Kubelets, last: str = "", **query: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The events as name, id and data."""
    headers = EVENTS | ({"Last-Event-ID": last} if last else {})
    async with client_of(here.app()) as client:
        answer = await client.get(URL, params=query, headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8"), (
        answer.text
    )
    found = []
    for block in answer.text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        found.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return found


def texts(found: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    return [data["text"] for name, _, data in found if name == "line"]


async def test_the_output_of_one_node_is_its_text() -> None:
    here = world("n1")
    here.writes("a", "one", "two", nodes=("n1",))
    async with client_of(here.app()) as client:
        answer = await client.get(URL)
    assert answer.text == "one\ntwo\n"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_of_several_nodes_each_line_begins_with_its_node() -> None:
    here = world("n1", "n2")
    here.writes("b", "two", nodes=("n2",), created=BEGIN + 1)
    here.writes("a", "one", nodes=("n1",))
    here.writes("c", "all done", created=BEGIN + 2, step="evaluate")
    assert await text(here) == (200, "n1: one\nn2: two\n-: all done\n")
    assert await text(here, node="n2") == (200, "two\n")
    assert await text(here, step="evaluate") == (200, "-: all done\n")


async def test_an_event_says_where_a_line_is_from() -> None:
    here = world("n1")
    here.writes("a", "failed", nodes=("n1",))
    here.writes("b", "done\x1b[31m \u2028", nodes=("n1",), attempt=2, created=BEGIN + 9)
    (_, _, first), (name, event_id, second), end = await events(here)
    assert (name, end[0]) == ("line", "end")
    assert event_id
    assert first["attempt"] == 1
    assert second == {
        "node": "n1",
        "step": "node",
        "attempt": 2,
        "time": rfc3339_nanoseconds((BEGIN + 9) * SECOND),
        "text": "done\x1b[31m \u2028",
    }


async def test_from_any_line_on_the_rest_comes_once_and_in_order() -> None:
    here = world("n1", "n2")
    here.writes("a", *(f"a{number}" for number in range(9)), nodes=("n1",))
    here.writes("b", *(f"b{number}" for number in range(9)), nodes=("n2",))
    here.writes("c", "c0", nodes=("n1",), created=BEGIN + 60)
    everything = await events(here)
    assert len(texts(everything)) == 19
    for index, (name, event_id, _) in enumerate(everything):
        if name == "line":
            assert texts(await events(here, event_id)) == texts(everything[index + 1 :])


async def test_a_job_is_followed_to_its_end_over_broken_connections() -> None:
    here = world("n1", phase=Phase.RUNNING)
    here.over = False
    first = here.writes("a", "a0", nodes=("n1",), ended=False)
    first.coming = ["a1", None, "a2", None, None, "a3"]
    found = await events(here, follow="true")
    assert texts(found) == ["a0", "a1", "a2", "a3"]
    assert found[-1][0] == "end"


class Floods(Kubelets):
    """More is written than any follower takes."""

    async def log(
        self, pod: str, *, follow: bool, since: str = "", tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        async for piece in super().log(pod, follow=follow, since=since, tail=tail):
            yield piece
        if follow:
            raise TooFarBehindError("a mebibyte")


async def test_who_is_too_far_behind_is_ended_and_goes_on_from_there() -> None:
    here = Floods(jobs=world("n1", phase=Phase.RUNNING).jobs, over=False)
    here.writes("a", "one", "two", nodes=("n1",), ended=False)
    found = await events(here, follow="true")
    assert texts(found) == ["one", "two"]
    assert found[-1][0] == "line", "it is not whole, and must not look so"
    here.containers["a"].lines.append("three")
    assert texts(await events(here, found[-1][1])) == ["three"]


async def test_steps_that_begin_later_are_followed_too() -> None:
    here = world("n1", phase=Phase.RUNNING)
    here.over = False
    here.writes("a", nodes=("n1",), ended=False).coming = ["a0"]
    waiting = here.writes("b", nodes=("n1",), ended=False, begun=False, created=BEGIN + 5)
    waiting.coming = ["b0"]

    async def begin() -> None:
        while not here.containers["a"].pod.ended:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)
        waiting.pod = replace(waiting.pod, begun=True)

    _, found = await asyncio.gather(begin(), events(here, follow=""))
    assert texts(found) == ["a0", "b0"]


async def test_who_follows_without_naming_a_node_sees_those_in_work() -> None:
    here = world("n1", "n2", phase=Phase.RUNNING)
    here.over = False
    here.writes("old", "long done", nodes=("n2",))
    here.writes("a", nodes=("n1",), ended=False).coming = ["a0"]
    assert texts(await events(here, follow="1")) == ["a0"]


async def test_more_than_fifty_nodes_in_work_are_not_followed_without_naming_one() -> None:
    here = world(*(f"n{number}" for number in range(51)), phase=Phase.RUNNING)
    status, problem = await text(here, follow="true")
    assert (status, json.loads(problem)["errorCode"]) == (400, "LIMIT_EXCEEDED")
    here.writes("a", "one", nodes=("n7",))
    assert await text(here, follow="true", node="n7") == (200, "one\n")


async def test_what_was_rotated_and_pods_that_are_gone_are_gaps() -> None:
    here = world("n1")
    container = here.writes("a", *(f"a{number}" for number in range(40)), nodes=("n1",))
    last = (await events(here))[3][1]
    # The kubelet keeps the end of the log only.
    kept = replace(container.pod, created=BEGIN + 5)
    here.containers["a"] = Container(kept, container.lines[20:])
    (name, _, gap), *lines = await events(here, last)
    assert name == "gap"
    assert gap == {
        "node": "n1",
        "step": "node",
        "attempt": 1,
        "since": rfc3339_nanoseconds(BEGIN * SECOND + 3 * SECOND // 4),
        "until": rfc3339_nanoseconds((BEGIN + 5) * SECOND),
        "reason": "rotated",
    }
    assert texts(lines) == container.lines[20:]
    here.containers.clear()
    here.writes("b", "b0", nodes=("n1",), created=BEGIN + 100)
    (name, _, gap), *lines = await events(here, last)
    assert (name, gap["reason"], texts(lines)) == ("gap", "pod gone", ["b0"])


async def test_a_tail_and_a_time() -> None:
    here = world("n1")
    here.writes("a", *(f"a{number}" for number in range(20)), nodes=("n1",))
    assert await text(here, tailLines="2") == (200, "a18\na19\n")
    assert await text(here, tailLines="0") == (200, "")
    assert (await text(here, tailLines="100"))[1].count("\n") == 20
    here.containers["a"].lines += ['time=2026-11-28T04:00:00Z level=INFO msg="exited" argo=true'] * 3
    assert await text(here, tailLines="1") == (200, "a19\n")
    since = datetime.fromtimestamp(BEGIN + 4.5, UTC).isoformat()
    assert await text(here, sinceTime=since) == (200, "a18\na19\n")
    assert await text(here, sinceTime=since, tailLines="1") == (200, "a19\n")


async def test_lines_are_cut_at_16_kib() -> None:
    here = world("n1")
    here.writes("a", "x" * 70_000, "next", nodes=("n1",))
    assert await text(here) == (200, "x" * 16_384 + "\nnext\n")


async def test_values_of_the_secret_are_masked_in_text_and_events() -> None:
    here = world("n1", type=JobType.PREFLIGHT, options={"env": {"TOKEN": "***", "SIZE": "9"}})
    here.secret = {"TOKEN": "hunter2-and-more", "SIZE": "9"}
    here.writes("a", "token hunter2-and-more of 9", nodes=("n1",), step="check")
    assert await text(here) == (200, "token *** of 9\n")
    assert texts(await events(here)) == ["token *** of 9"]


async def test_output_whose_secret_is_gone_is_not_shown() -> None:
    here = world("n1", type=JobType.PREFLIGHT, options={"env": {"TOKEN": "***"}})
    here.writes("a", "token hunter2-and-more", nodes=("n1",))
    status, problem = await text(here)
    assert (status, json.loads(problem)["errorCode"]) == (404, "OUTPUT_GONE")


async def test_of_a_step_for_several_checks_each_line_is_its_nodes() -> None:
    here = world("n1", "n2", type=JobType.PREFLIGHT)
    lines = ("n1: good", "n2: n1: bad", 'n1: opsjob-outcome: {"status": "pass"}', "n2: opsjob-end", "of no node")
    here.writes("a", *lines, nodes=("n1", "n2"), step="checks")
    assert await text(here) == (200, "n1: good\nn2: n1: bad\n-: of no node\n")
    assert await text(here, node="n2") == (200, "n1: bad\n")


async def test_output_that_went_with_its_pods_is_404_that_says_so() -> None:
    status, problem = await text(world("n1"))
    assert (status, json.loads(problem)["errorCode"]) == (404, "OUTPUT_GONE")
    assert await text(world("n1", phase=Phase.PENDING)) == (200, "")


async def test_who_may_not_see_a_job_sees_no_output() -> None:
    here = world("n1")
    here.writes("a", "secret", nodes=("n1",))
    status, problem = await text(here, who="mallory")
    assert (status, json.loads(problem)["errorCode"]) == (404, "UNKNOWN_JOB")
    here.verbs = {"get"}
    assert await text(here, who="bob") == (200, "secret\n")


async def test_the_output_of_a_dumplog_is_for_who_may_have_its_link() -> None:
    files = {"dumplog.json": json.dumps({"workloads": [{"namespace": "team", "name": "train", "pods": []}]})}
    here = world(type=JobType.DUMPLOG, work={"files": files})
    here.writes("a", "12 logs", step="dump")
    here.verbs = {"get"}
    assert await text(here, who="bob") == (200, "12 logs\n")
    here.readable = False
    assert (await text(here, who="bob"))[0] == 403
    assert await text(here) == (200, "12 logs\n")


@pytest.mark.parametrize(
    "query",
    [
        {"node": "n2"},
        {"tailLines": "-1"},
        {"tailLines": "x"},
        {"follow": "maybe"},
        {"sinceTime": "yesterday"},
        {"step": "../x"},
    ],
)
async def test_what_cannot_be_asked_is_400_that_names_it(query: dict[str, str]) -> None:
    status, problem = await text(world("n1"), **query)
    assert (status, json.loads(problem)["errors"][0]["path"]) == (400, *query)


async def test_an_id_of_another_making_is_refused() -> None:
    async with client_of(world("n1").app()) as client:
        answer = await client.get(URL, headers=EVENTS | {"Last-Event-ID": "1~nonsense"})
    assert answer.status_code == 400


async def test_a_node_that_does_not_answer_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    here = world("n1", "n2")
    here.writes("a", "lost", nodes=("n1",))
    here.writes("b", "kept", nodes=("n2",))
    log = here.log

    async def partly(pod: str, **asked: Any) -> AsyncGenerator[bytes, None]:
        if pod == "a":
            raise UnavailableError("no route to host")
        async for piece in log(pod, **asked):
            yield piece

    monkeypatch.setattr(here, "log", partly)
    found = await events(here)
    assert [name for name, _, _ in found] == ["gap", "line", "end"]
    assert (found[0][2]["reason"], texts(found)) == ("node unreachable", ["kept"])


async def test_streams_have_a_limit_of_their_own() -> None:
    app = world("n1").app(max_streams_per_caller=1)
    with app.state.dependencies.streams.take("id-alice"):
        async with client_of(app) as client:
            answer = await client.get(URL)
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
            assert (await client.get(f"{JOBS}/job-abc123")).status_code == 200
