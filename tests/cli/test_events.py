"""opsjobs watch and events by the service's events, and by asking where it has none."""

import json
import threading

import pytest
from opsjobs_cli.event_reading import Event, batches

from tests.cli.conftest import Opsjobs
from tests.cli.scripted import NOW, Scripted, condition, content, event, job, node, problem, stream
from tests.cli.terminal import Terminal

JOB = "made-aaaaaa"
PATH = f"/api/v1/opsjobs/{JOB}"
EVENTS = f"{PATH}/events"

FIRST = event("job", job(JOB, "Pending"), 1)
BEGINS = (
    event("phase", {"phase": "Running", "startTime": NOW, "endTime": ""}, 2),
    event("condition", condition("Running", "Started", "job started"), 2),
    event("node", node("n1", "Running"), 2),
)
ENDS = (
    event("node", node("n1", "Failed", "exit code 3"), 3),
    event("condition", condition("Failed", "Failed", "n1 failed"), 3),
    event("progress", {"progress": "1/1"}, 3),
    event("end", {"phase": "Failed", "endTime": NOW}, 3),
)
ENDED = content(job(JOB, "Failed", node("n1", "Failed", "exit code 3"), progress="1/1"))


def test_a_watch_is_told_and_does_not_ask(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers = {EVENTS: [stream(FIRST, *BEGINS, *ENDS)], PATH: [ENDED]}
    ended = opsjobs("watch", JOB)
    assert ended.code == 1, ended.err
    for expected in ("Running (Started): job started", "n1: Running", "n1: Failed: exit code 3", "n1 failed"):
        assert expected in ended.out
    # Once at the end, for what is no event.
    assert len(scripted.asked(PATH)) == 1


def test_a_terminal_shows_each_change_when_it_comes(scripted: Scripted) -> None:
    held = [threading.Event() for _ in range(2)]
    scripted.answers = {
        EVENTS: [
            stream(FIRST, until=held[0]),
            stream(event("job", job(JOB), 2), *BEGINS, until=held[1]),
            stream(*ENDS),
        ],
        PATH: [content(job(JOB)), ENDED],
    }
    terminal = Terminal("watch", JOB)
    terminal.until(r"0/1 +1 Pending")
    held[0].set()
    terminal.until(r"0/1 +1 Running")
    held[1].set()
    assert terminal.ended() == 1
    assert "exit code 3" in terminal.screen


def test_a_watch_goes_on_where_a_stream_breaks(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers = {
        EVENTS: [
            stream(FIRST, BEGINS[0], BEGINS[1][:-3], breaks=True),
            problem(503, "UNAVAILABLE"),
            stream(event("job", job(JOB, "Running", node("n1", "Running")), 2), *ENDS),
        ],
        PATH: [content(job(JOB)), problem(503, "UNAVAILABLE", "restarting"), ENDED],
    }
    ended = opsjobs("watch", JOB)
    assert ended.code == 1, ended.err
    assert ended.out.count("n1: Running") == 1
    assert "n1: Failed: exit code 3" in ended.out


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (429, 1), (503, 3)])
def test_where_there_are_no_events_a_watch_asks(opsjobs: Opsjobs, scripted: Scripted, status: int, tries: int) -> None:
    """The service is older, has too many streams of this caller, or cannot stream now."""
    scripted.answers = {
        EVENTS: [problem(status, "NOT_FOUND" if status == 404 else "NO")],
        PATH: [*[content(job(JOB))] * 4, ENDED],
    }
    ended = opsjobs("watch", JOB)
    assert ended.code == 1, ended.err
    assert len(scripted.asked(PATH)) == 5
    assert len(scripted.asked(EVENTS)) == tries


def test_streams_that_bring_nothing_are_given_up(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers = {EVENTS: [stream()], PATH: [*[content(job(JOB))] * 4, ENDED]}
    assert opsjobs("watch", JOB).code == 1
    assert len(scripted.asked(EVENTS)) == 3


def test_a_rollout_is_looked_at_when_something_happens(opsjobs: Opsjobs, scripted: Scripted) -> None:
    """Its phases are no events of their own."""

    def rollout(state: str) -> dict[str, object]:
        phase = {"phase": 1, "nodes": ["n1"], "state": state, "soakSeconds": 0, "advance": "manual", "soakStart": ""}
        return {"paused": "", "phases": [phase], "failureLimit": 0, "onFailure": "stop", "atOnce": 1}

    begun = job(JOB, "Running", rollout=rollout("Running"))
    waits = job(JOB, "Running", rollout=rollout("AwaitingAdvance"))
    scripted.answers = {
        EVENTS: [stream(event("job", begun, 1), *ENDS)],
        PATH: [content(waits), ENDED],
    }
    ended = opsjobs("watch", JOB)
    assert f"waits for opsjobs advance {JOB}" in ended.out


def test_what_a_job_waits_for_is_brought_up_to_date(opsjobs: Opsjobs, scripted: Scripted) -> None:
    waits = [event("condition", condition("Running", "Waiting", f"for job {number}"), number) for number in (1, 2)]
    scripted.answers = {EVENTS: [stream(FIRST, *waits, *ENDS)], PATH: [ENDED]}
    out = opsjobs("watch", JOB).out
    assert "for job 1" in out
    assert "for job 2" in out


def test_events_are_listed_and_followed(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers = {EVENTS: [stream(FIRST, *BEGINS, *ENDS)], PATH: [ENDED]}
    listed = opsjobs("events", JOB, "--utc")
    assert listed.code == 0
    assert listed.out.splitlines() == [
        "2026-01-02 03:04:05Z  job Pending (Created): so it is",
        "2026-01-02 03:04:05Z  n1 Failed: exit code 3",
    ]
    assert set(json.loads(opsjobs("events", JOB, "-o", "json").out)) == {"conditions", "nodes"}
    followed = opsjobs("events", "-f", JOB, "--utc")
    assert followed.code == 1
    assert followed.out.splitlines() == [
        "2026-01-02 03:04:05Z  job Pending (Created): so it is",
        "2026-01-02 03:04:05Z  job Running (Started): job started",
        "2026-01-02 03:04:05Z  n1 Running",
        "2026-01-02 03:04:05Z  n1 Failed: exit code 3",
        "2026-01-02 03:04:05Z  job Failed (Failed): n1 failed",
    ]


def test_events_that_come_again_after_a_break_are_shown_once(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers = {EVENTS: [stream(FIRST, *BEGINS, breaks=True), stream(event("node", node()), *BEGINS, *ENDS)],
                        PATH: [ENDED]}  # fmt: skip
    followed = opsjobs("events", "-f", JOB)
    assert followed.out.count("job started") == 1
    assert "n1 Pending" not in followed.out
    assert scripted.asked(EVENTS)[1][1]["Last-Event-ID"] == "2"
    scripted.answers[EVENTS] = [stream(FIRST, *BEGINS, *ENDS)]
    shown = [json.loads(line) for line in opsjobs("events", "-f", JOB, "-o", "json").out.splitlines()]
    assert [one["event"] for one in shown][:2] == ["job", "phase"]
    assert shown[1]["id"] == "2"


def test_an_unknown_job_has_no_events(opsjobs: Opsjobs, scripted: Scripted) -> None:
    scripted.answers = {EVENTS: [problem(404, "UNKNOWN_JOB", "there is no job")]}
    for words in (["watch", JOB], ["events", "-f", JOB]):
        assert opsjobs(*words).code == 3


WHOLE = ": hello\r\nevent: line\rid: 7\ndata: a\u2028b\ndata:c\n\nid: 8\n\n".encode()


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_events_are_whole_however_they_are_cut(size: int) -> None:
    pieces = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]
    found = [one for batch in batches([*pieces, b"event: half\ndata: x\n"]) for one in batch]
    assert found == [Event("line", "a\u2028b\nc", "7")]
