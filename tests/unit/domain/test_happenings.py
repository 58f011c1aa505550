"""What a person is told of a job, and when."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from service.domain.happenings import MOST_CHARACTERS, MOST_FAILED_NODES, happened, waits
from service.domain.job import Condition, Job, JobType, NodePhase, Phase, Plan, PlannedNode
from service.domain.job_rollout import JobRollout, PhaseState, RolloutPhase
from service.domain.receiver import Kind
from tests.records_suite.example import NOON, a_job

HOUR = timedelta(hours=1)


def job(*phases: NodePhase, **fields: Any) -> Job:
    nodes = tuple(PlannedNode(f"n{number}", phase, "disk full") for number, phase in enumerate(phases, start=1))
    return a_job(plan=Plan(nodes), **fields)


def told(before: Job | None, after: Job) -> list[tuple[Kind, str]]:
    return [(one.kind, one.sentence) for one in happened(before, after)]


def with_condition(before: Job, reason: str, message: str, **fields: Any) -> Job:
    condition = Condition(fields.get("phase", before.phase), reason, message, NOON)
    return replace(before, conditions=(*before.conditions, condition), **fields)


def rollout(*states: PhaseState) -> JobRollout:
    return JobRollout(phases=tuple(RolloutPhase(1, state=state) for state in states))


def test_a_new_job_says_who_created_it_and_on_how_many_nodes() -> None:
    assert told(None, job(NodePhase.PENDING)) == [(Kind.CREATED, "alice created it on 1 node")]


def test_a_change_that_says_nothing_new_is_not_told() -> None:
    begun = job(NodePhase.PENDING)
    waiting = with_condition(begun, "Waiting", "locked by job x")
    assert told(begun, begun) == told(begun, waiting) == []


def test_an_end_says_how_and_why_in_one_sentence() -> None:
    running = job(NodePhase.RUNNING, phase=Phase.RUNNING)
    ended = with_condition(running, "Timeout", "n1 was still working", phase=Phase.FAILED)
    assert told(running, ended) == [(Kind.ENDED, "failed (Timeout): n1 was still working")]
    assert told(ended, replace(ended, workflow_gone=True)) == []


def test_nodes_that_fail_at_one_look_are_one_message_and_of_many_only_the_first() -> None:
    running = job(*[NodePhase.RUNNING] * 30)
    failed = job(*[NodePhase.FAILED] * 3, *[NodePhase.RUNNING] * 27)
    assert told(running, failed) == [(Kind.NODE_FAILED, "node n1: disk full; and 2 more nodes")]
    many = job(*[NodePhase.FAILED] * MOST_FAILED_NODES, *[NodePhase.RUNNING] * 10)
    assert told(many, job(*[NodePhase.FAILED] * 30)) == []


def test_a_gate_and_a_pause_say_what_ends_them() -> None:
    soaking = job(rollout=rollout(PhaseState.SOAKING, PhaseState.PENDING))
    gate = replace(soaking, rollout=rollout(PhaseState.AWAITING_ADVANCE, PhaseState.PENDING))
    assert told(soaking, gate) == [
        (Kind.GATE, "phase 1 of 2 is through and waits for a person: opsjobs advance upgrade-abc123")
    ]
    paused = with_condition(gate, "Paused", "paused by itself: 3 nodes failed; resume tolerates them")
    (found,) = told(gate, paused)
    assert found[1].endswith("resume tolerates them; go on with: opsjobs resume upgrade-abc123")


def test_a_long_message_is_cut() -> None:
    running = job(phase=Phase.RUNNING)
    ended = with_condition(running, "Failed", "x" * 10_000, phase=Phase.FAILED)
    assert [len(sentence) for _, sentence in told(running, ended)] == [MOST_CHARACTERS]


def test_a_job_waits_while_no_node_is_at_work() -> None:
    waiting = with_condition(job(NodePhase.WAITING), "Waiting", "locked by job x")
    assert waits(waiting, NOON + HOUR / 2, HOUR) is None
    found = waits(waiting, NOON + 2 * HOUR, HOUR)
    assert found is not None
    assert found.sentence == "it has waited for 2 h 0 min: locked by job x"
    assert waits(job(NodePhase.RUNNING, NodePhase.WAITING), NOON + 9 * HOUR, HOUR) is None
    assert waits(replace(waiting, phase=Phase.FAILED), NOON + 9 * HOUR, HOUR) is None
    assert waits(a_job(type=JobType.DUMPLOG, phase=Phase.RUNNING), NOON + 9 * HOUR, HOUR) is None
    assert waits(job(NodePhase.PENDING, rollout=rollout(PhaseState.SOAKING)), NOON + 9 * HOUR, HOUR) is None


def test_it_waits_since_its_last_node_ended() -> None:
    done = PlannedNode("n1", NodePhase.SUCCEEDED, end=NOON + HOUR)
    waiting = a_job(phase=Phase.RUNNING, plan=Plan((done, PlannedNode("n2", NodePhase.WAITING))))
    assert waits(waiting, NOON + 1.5 * HOUR, HOUR) is None
    assert waits(waiting, NOON + 2.5 * HOUR, HOUR) is not None
