"""What the end of a job adds to the counts of its cluster."""

from dataclasses import replace
from datetime import timedelta

import pytest

from service.domain.ended_counts import BUCKETS, SUM, Count, Counted, counts
from service.domain.job import Condition, JobType, NodePhase, Phase, Plan, PlannedNode
from service.domain.verdict import REASONS
from tests.records_suite.example import NOON, a_job


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_a_reboot_counts_each_node_that_came_back() -> None:
    nodes = (
        PlannedNode("a", NodePhase.SUCCEEDED, start=NOON, end=NOON + after(200)),
        PlannedNode("b", NodePhase.SUCCEEDED, start=NOON, end=NOON + after(30)),
        PlannedNode("c", NodePhase.FAILED, start=NOON, end=NOON + after(1800)),
        PlannedNode("d", NodePhase.SKIPPED),
    )
    succeeded = Condition(Phase.SUCCEEDED, "Succeed", "", NOON)
    job = a_job(
        type=JobType.REBOOT,
        phase=Phase.SUCCEEDED,
        started=NOON + after(5),
        ended=NOON + after(100_000),
        conditions=(succeeded,),
        plan=Plan(nodes),
    )
    found = counts(job)
    reboot = {(count.name, count.detail): value for count, value in found.items() if count.type == "reboot"}
    assert len(reboot) == len(found)
    assert reboot == {
        (Counted.JOBS, "Succeeded/Succeed"): 1,
        (Counted.NODES, "succeeded"): 2,
        (Counted.NODES, "failed"): 1,
        (Counted.NODES, "skipped"): 1,
        (Counted.WAIT, "5"): 1,
        (Counted.WAIT, SUM): 5_000,
        (Counted.DURATION, "+Inf"): 1,
        (Counted.DURATION, SUM): 99_995_000,
        (Counted.REBOOT, "30"): 1,
        (Counted.REBOOT, "240"): 1,
        (Counted.REBOOT, SUM): 230_000,
    }


def test_a_job_that_never_began_has_no_times() -> None:
    stopped = Condition(Phase.FAILED, "Stopped", "", NOON)
    found = counts(a_job(phase=Phase.FAILED, ended=NOON + after(9), conditions=(stopped,)))
    assert found == {Count(Counted.JOBS, "addon", "Failed/Stopped"): 1}


def test_a_clock_that_stands_behind_makes_no_negative_time() -> None:
    """A counter that goes down is read as one that began anew."""
    job = a_job(phase=Phase.SUCCEEDED, started=NOON - after(2), ended=NOON - after(3))
    assert all(value >= 0 for value in counts(replace(job, conditions=())).values())


@pytest.mark.parametrize("limits", BUCKETS.values(), ids=[str(name) for name in BUCKETS])
def test_buckets_go_up(limits: tuple[int, ...]) -> None:
    assert sorted(set(limits)) == list(limits)


def test_every_phase_of_a_verdict_is_final() -> None:
    assert {phase for phase, _ in REASONS} == {phase for phase in Phase if phase.final}
