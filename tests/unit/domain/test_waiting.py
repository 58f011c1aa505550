"""For what a job waits, and since when."""

from dataclasses import replace
from datetime import timedelta

import pytest

from service.domain.job import Condition, Job, NodePhase, Phase, Plan, PlannedNode
from service.domain.job_rollout import JobRollout, PhaseState, RolloutPhase, Steering
from service.domain.phase import FROZEN, PAUSED
from service.domain.waiting import WaitReason, waiting
from tests.records_suite.example import NOON, a_job

LATER = NOON + timedelta(minutes=5)
RUNNING = a_job(phase=Phase.RUNNING, started=NOON)


def with_nodes(job: Job, *phases: NodePhase) -> Job:
    return replace(job, plan=Plan(tuple(PlannedNode(f"n{at}", phase) for at, phase in enumerate(phases))))


def in_phase(state: PhaseState) -> JobRollout:
    first = RolloutPhase(1, state=state, start=NOON, soaking=LATER)
    return JobRollout(phases=(first, RolloutPhase(1)), failure_limit=0)


WAITING = with_nodes(RUNNING, NodePhase.SUCCEEDED, NodePhase.WAITING)


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (a_job(), WaitReason.START),
        (with_nodes(RUNNING, NodePhase.SUCCEEDED, NodePhase.PENDING), WaitReason.START),
        (WAITING, WaitReason.NODE),
        (replace(a_job(), refused="exceeded quota"), WaitReason.REFUSED),
        (replace(WAITING, frozen="the cluster is frozen"), WaitReason.FROZEN),
        (replace(WAITING, frozen="the cluster is frozen", refused="quota"), WaitReason.FROZEN),
        (replace(WAITING, steering=Steering(paused="by alice")), WaitReason.PAUSED),
        (replace(WAITING, rollout=replace(in_phase(PhaseState.RUNNING), failures_said=True)), WaitReason.PAUSED),
        (replace(WAITING, rollout=in_phase(PhaseState.AWAITING_ADVANCE)), WaitReason.GATE),
        (replace(WAITING, rollout=in_phase(PhaseState.SOAKING)), WaitReason.SOAK),
    ],
)
def test_what_a_job_waits_for(job: Job, reason: WaitReason) -> None:
    found = waiting(job)
    assert found
    assert found.reason is reason


@pytest.mark.parametrize(
    "job",
    [
        replace(a_job(), phase=Phase.FAILED, ended=NOON),
        RUNNING,
        with_nodes(RUNNING, NodePhase.WAITING, NodePhase.RUNNING),
        with_nodes(RUNNING, NodePhase.SUCCEEDED, NodePhase.FAILED),
    ],
    ids=["ended", "at work without nodes", "at work on a node", "only its report is left"],
)
def test_what_is_at_work_or_over_does_not_wait(job: Job) -> None:
    assert waiting(job) is None


@pytest.mark.parametrize("reason", [FROZEN, PAUSED])
def test_it_waits_since_something_last_happened_to_it(reason: str) -> None:
    condition = Condition(Phase.RUNNING, reason, "", LATER)
    again = Condition(Phase.RUNNING, "Waiting", "", LATER + timedelta(hours=1))
    found = waiting(replace(WAITING, conditions=(condition, again)))
    assert found
    assert found.since == LATER


def test_the_end_of_a_node_is_something_that_happened() -> None:
    nodes = (PlannedNode("a", NodePhase.SUCCEEDED, start=NOON, end=LATER), PlannedNode("b", NodePhase.WAITING))
    found = waiting(replace(RUNNING, plan=Plan(nodes)))
    assert found
    assert found.since == LATER
