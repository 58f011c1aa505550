"""Pause, resume, advance: what they do to a record, what they are refused, and how the Workflow comes to know."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from service.domain.job import Job, JobType, NodePhase, Phase, Plan, PlannedNode
from service.domain.job_rollout import JobRollout, PhaseState, RolloutPhase, Steering
from service.domain.request_faults import FaultCode, RefusedError, StateError
from service.jobs import steer
from service.jobs.ports import Cluster, Records, UnavailableError
from service.records.rows import unsettled
from tests.records_suite.example import NOON, a_job
from workflow_templates.protocol import labels

JOB = "upgrade-abc123"
LATER = NOON + timedelta(hours=1)


def rolled(*phases: NodePhase, states: tuple[PhaseState, ...] = (PhaseState.RUNNING,), **fields: Any) -> Job:
    nodes = tuple(PlannedNode(f"n{number}", phase) for number, phase in enumerate(phases or (NodePhase.PENDING,)))
    cut = tuple(RolloutPhase(len(nodes) if number == 0 else 0, state=state) for number, state in enumerate(states))
    rollout = JobRollout(phases=cut, **fields)
    return a_job(JOB, phase=Phase.RUNNING, plan=Plan(nodes), rollout=rollout, workflow_uid="uid-1")


def plain(**fields: Any) -> Job:
    """A job without a rollout."""
    return replace(rolled(), rollout=None, steering=Steering(**fields))


def said(job: Job) -> tuple[str, str, str]:
    return job.conditions[-1].type, job.conditions[-1].reason, job.conditions[-1].message


Change = Callable[[Job, datetime], Job]
PAUSE = steer.pausing("anna", "")
RESUME = steer.resuming("bob")
ADVANCE = steer.advancing("bob", None)


class TestPauseAndResume:
    def test_a_pause_is_in_the_history_with_who_and_why(self) -> None:
        job = steer.pausing("anna", "driver looks bad")(rolled(), LATER)
        assert said(job) == ("Running", "Paused", "paused by anna: driver looks bad")
        assert job.phase is Phase.RUNNING
        assert job.rollout is not None
        assert job.rollout.annotations[labels.PAUSED] == "anna: driver looks bad"
        assert unsettled(job)

    def test_paused_again_it_stays_paused_by_whom_it_was(self) -> None:
        job = PAUSE(rolled(), LATER)
        assert steer.pausing("carl", "too")(job, LATER) is job

    def test_paused_over_and_over_a_job_s_history_and_the_audit_come_to_an_end(self) -> None:
        """An attack: each pause and each resume is a line in both, and the history is read and written as a whole."""
        job = rolled()
        for _ in range(steer.MOST_PAUSES):
            job = RESUME(PAUSE(job, LATER), LATER)
        with pytest.raises(StateError, match="100 times") as refused:
            PAUSE(job, LATER)
        assert refused.value.code == "PAUSED_TOO_OFTEN"
        assert len(job.conditions) <= 2 * steer.MOST_PAUSES + 2

    def test_resumed_it_says_by_whom_and_the_workflow_is_to_forget_the_pause(self) -> None:
        job = RESUME(PAUSE(rolled(), LATER), LATER)
        assert said(job) == ("Running", "Resumed", "resumed by bob")
        assert job.rollout is not None
        assert job.rollout.annotations[labels.PAUSED] is None
        assert RESUME(job, LATER) is job

    def test_what_failures_hold_goes_on_when_a_person_tolerates_them_and_it_counts_anew(self) -> None:
        failed = NodePhase.FAILED
        job = RESUME(rolled(failed, failed, on_failure="pause", failure_limit=1, failures_said=True), LATER)
        assert said(job)[1:] == ("Resumed", "resumed by bob, who tolerates 2 failed nodes")
        assert job.rollout is not None
        assert (job.rollout.tolerated, job.rollout.failures_said) == (2, False)
        assert job.rollout.annotations[labels.TOLERATED] == "2"
        assert RESUME(job, LATER) is job

    def test_failures_below_the_limit_stay_counted_when_a_pause_ends(self) -> None:
        paused = PAUSE(rolled(NodePhase.FAILED, NodePhase.PENDING, on_failure="pause", failure_limit=1), LATER)
        job = RESUME(paused, LATER)
        assert job.rollout is not None
        assert job.rollout.tolerated == 0

    def test_a_job_that_stops_at_its_limit_tolerates_nothing(self) -> None:
        job = rolled(NodePhase.FAILED, NodePhase.PENDING)
        assert RESUME(job, LATER) is job


class TestWithoutRollout:
    def test_it_is_paused_and_resumed_all_the_same(self) -> None:
        paused = steer.pausing("anna", "driver looks bad")(plain(), LATER)
        assert said(paused) == ("Running", "Paused", "paused by anna: driver looks bad")
        assert paused.steered
        assert paused.steered.annotations == {labels.PAUSED: "anna: driver looks bad"}
        assert unsettled(paused)
        assert PAUSE(paused, LATER) is paused
        resumed = RESUME(paused, LATER)
        assert said(resumed) == ("Running", "Resumed", "resumed by bob")
        assert resumed.steered
        assert resumed.steered.annotations == {labels.PAUSED: None}
        assert RESUME(resumed, LATER) is resumed

    def test_its_failures_are_nothing_to_tolerate(self) -> None:
        job = replace(plain(), plan=Plan((PlannedNode("n0", NodePhase.FAILED),)))
        assert RESUME(job, LATER) is job

    def test_it_has_no_phases_to_advance(self) -> None:
        with pytest.raises(StateError, match="no phases to advance") as refused:
            ADVANCE(plain(), LATER)
        assert refused.value.code == "NO_ROLLOUT"


class TestAdvance:
    @pytest.mark.parametrize("state", [PhaseState.SOAKING, PhaseState.AWAITING_ADVANCE])
    def test_a_soak_and_a_gate_end(self, state: PhaseState) -> None:
        job = ADVANCE(rolled(states=(PhaseState.DONE, state, PhaseState.PENDING)), LATER)
        assert said(job) == ("Running", "Advanced", f"phase 2 was ended by bob while it was {state}")
        assert job.rollout is not None
        assert job.rollout.annotations[labels.ADVANCED] == "2"
        assert ADVANCE(job, LATER) is job
        assert steer.advancing("bob", 2)(job, LATER) is job

    @pytest.mark.parametrize(
        ("states", "expected", "code"),
        [
            ((PhaseState.RUNNING, PhaseState.PENDING), None, "NOTHING_TO_ADVANCE"),
            ((PhaseState.PENDING,), None, "NOTHING_TO_ADVANCE"),
            ((PhaseState.DONE, PhaseState.DONE), None, "NOTHING_TO_ADVANCE"),
            ((PhaseState.SOAKING, PhaseState.PENDING), 2, "OTHER_PHASE"),
            ((PhaseState.DONE, PhaseState.RUNNING), 1, "OTHER_PHASE"),
            ((PhaseState.DONE, PhaseState.RUNNING), 2, "NOTHING_TO_ADVANCE"),
        ],
    )
    def test_a_job_that_is_elsewhere_is_left_alone(
        self, states: tuple[PhaseState, ...], expected: int | None, code: str
    ) -> None:
        with pytest.raises(StateError) as refused:
            steer.advancing("bob", expected)(rolled(states=states), LATER)
        assert refused.value.code == code


class Kubernetes:
    """The Workflow's annotations, as far as they were asked for; it may be away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.asked: list[Mapping[str, str | None]] = []

    def now(self) -> datetime:
        return LATER

    async def steer_workflow(self, job_id: str, annotations: Mapping[str, str | None]) -> None:
        assert job_id == JOB
        if self.away:
            raise UnavailableError("Kubernetes is away")
        self.asked.append(annotations)


async def steered(records: Records, cluster: Any, change: Change) -> Job:
    fake: Cluster = cluster
    await steer.steer(records, fake, JOB, change)
    found = await records.get(JOB)
    assert found is not None
    return found


async def test_the_workflow_is_told_what_the_record_says(records: Records) -> None:
    await records.add(rolled())
    cluster = Kubernetes()
    await steered(records, cluster, PAUSE)
    assert cluster.asked == [{labels.PAUSED: "anna", labels.ADVANCED: "0", labels.TOLERATED: None}]


async def test_a_job_without_rollout_tells_its_workflow_too(records: Records) -> None:
    await records.add(plain())
    cluster = Kubernetes()
    assert (await steered(records, cluster, PAUSE)).steered == Steering(paused="anna", carried_out=False)
    assert cluster.asked == [{labels.PAUSED: "anna"}]


async def test_with_kubernetes_away_it_is_recorded_and_asked_for_again(records: Records) -> None:
    await records.add(rolled())
    with pytest.raises(UnavailableError):
        await steered(records, Kubernetes(away=True), PAUSE)
    found = await records.get(JOB)
    assert found is not None
    assert found.rollout is not None
    assert found.rollout.paused == "anna"
    assert list(await records.unsettled("prod")) == [JOB]
    cluster = Kubernetes()
    await steered(records, cluster, PAUSE)  # sent again, it is carried out
    assert len(cluster.asked) == 1


@pytest.mark.parametrize("change", [PAUSE, RESUME, ADVANCE])
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"phase": Phase.SUCCEEDED}, "JOB_ENDED"),
        ({"stop_requested": NOON}, "JOB_ENDED"),
        ({"rollout": None}, "NO_ROLLOUT"),
    ],
)
async def test_what_cannot_be_steered_says_why(
    records: Records, change: Change, fields: dict[str, Any], code: str
) -> None:
    await records.add(replace(rolled(), **fields))
    with pytest.raises(StateError) as refused:
        await steered(records, Kubernetes(), change)
    assert refused.value.code == code


@pytest.mark.parametrize("kind", [JobType.PREFLIGHT, JobType.DUMPLOG, JobType.EXPORTIMAGE])
async def test_another_type_has_no_rollout(records: Records, kind: JobType) -> None:
    await records.add(replace(rolled(), type=kind, rollout=None))
    with pytest.raises(RefusedError) as refused:
        await steered(records, Kubernetes(), PAUSE)
    assert [fault.code for fault in refused.value.faults] == [FaultCode.NOT_FOR_THIS_TYPE]
