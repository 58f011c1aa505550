"""Where a rollout stands, from its Workflow and its ledger."""

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from service.domain.job import Job, NodePhase, Phase
from service.domain.job_rollout import JobRollout, PhaseState, RolloutPhase, Steering
from service.domain.phase import observe
from service.domain.rollout_progress import StepNotes
from tests.unit.domain import argo
from tests.unit.domain.argo import Entry, Pod, at, entry, failed, on, running, succeeded, workflow
from workflow_templates.protocol import labels

NODES = ("n1", "n2", "n3", "n4")
PHASES = (RolloutPhase(1, 60, "manual"), RolloutPhase(3))


def job(**rollout: Any) -> Job:
    return argo.job(*NODES, rollout=JobRollout(**{"phases": PHASES} | rollout))


def step(template: str, number: int, phase: str, *, start: float = 10, end: float | None = None) -> Entry:
    kind = "Steps" if template == "phase" else "Suspend"
    made = entry(f"{argo.JOB_ID}[0].{template}({number})", kind, phase, template=template, start=start, end=end)
    made["inputs"] = {"parameters": [{"name": "phase", "value": str(number)}]}
    return made


def seen(*entries: Any, told: dict[str, str] | None = None, version: str = "100", phase: str = "Running") -> Any:
    annotations = {labels.ADVANCED: "0"} | (told or {})
    return workflow(*entries, metadata={"annotations": annotations}, version=version, phase=phase)


def states(found: Job) -> list[PhaseState]:
    assert found.rollout is not None
    return [phase.state for phase in found.rollout.phases]


def ledger(letters: str, **stages: str) -> StepNotes:
    return StepNotes(letters, stages)


class TestPhases:
    @pytest.mark.parametrize(
        ("entries", "expected"),
        [
            ([], [PhaseState.PENDING, PhaseState.PENDING]),
            ([step("phase", 1, "Running")], [PhaseState.RUNNING, PhaseState.PENDING]),
            ([step("phase", 1, "Running"), step("soak", 1, "Running")], [PhaseState.SOAKING, PhaseState.PENDING]),
            (
                [step("phase", 1, "Running"), step("soak", 1, "Succeeded", end=70), step("gate", 1, "Running")],
                [PhaseState.AWAITING_ADVANCE, PhaseState.PENDING],
            ),
            (
                [step("phase", 1, "Running"), step("soak", 1, "Skipped"), step("gate", 1, "Running")],
                [PhaseState.AWAITING_ADVANCE, PhaseState.PENDING],
            ),
            (
                [step("phase", 1, "Succeeded", end=80), step("phase", 2, "Running", start=81)],
                [PhaseState.DONE, PhaseState.RUNNING],
            ),
        ],
    )
    def test_each_phase_is_where_the_workflow_shows_it(self, entries: list[Entry], expected: list[PhaseState]) -> None:
        assert states(observe(job(), seen(entries), at(90))) == expected

    def test_what_the_next_phase_waits_for_is_in_the_history_once(self) -> None:
        entries = [step("phase", 1, "Running"), step("soak", 1, "Running", start=20)]
        soaking = observe(job(), seen(*[entries]), at(30))
        assert soaking.conditions[-1].reason == "Waiting"
        assert soaking.conditions[-1].message.startswith(
            "phase 1 of 2 has ended: the next waits until it has soaked for 60 s, "
        )
        entries = [step("phase", 1, "Running"), step("soak", 1, "Succeeded", end=80), step("gate", 1, "Running")]
        at_gate = observe(soaking, seen(*[entries], version="101"), at(90))
        assert at_gate.conditions[-1].message == (
            "phase 1 of 2 has ended: the next begins when a person advances the job"
        )
        assert len(at_gate.conditions) == len(soaking.conditions)

    def test_their_times_are_kept(self) -> None:
        one = observe(job(), seen([step("phase", 1, "Running"), step("soak", 1, "Running", start=20)]), at(30))
        two = observe(one, seen([step("phase", 1, "Succeeded", end=80)], version="101"), at(90))
        assert two.rollout is not None
        first = two.rollout.phases[0]
        assert (first.start, first.soaking, first.end) == (at(10), at(20), at(80))

    def test_the_record_knows_whether_the_workflow_knows_what_persons_said(self) -> None:
        told = job(paused="anna", advanced=1, carried_out=False)
        assert told.rollout is not None
        annotations = {key: value for key, value in told.rollout.annotations.items() if value is not None}
        for annotated, carried_out in ((annotations, True), ({labels.PAUSED: "anna"}, False), ({}, False)):
            found = observe(told, seen([step("phase", 1, "Running")], told=annotated), at(20))
            assert found.rollout is not None
            assert found.rollout.carried_out is carried_out


class TestNodes:
    def test_a_node_that_waits_in_its_pod_has_not_begun(self) -> None:
        found = observe(
            job(), seen(on("n1", "Running", running()), on("n2", "Running", running())), at(20), ledger("w...")
        )
        assert [node.phase for node in found.plan.nodes][:2] == [NodePhase.RUNNING, NodePhase.WAITING]
        assert (found.plan.nodes[1].start, found.plan.nodes[1].message) == (
            None,
            "node n1 of phase 1 is at work",
        )

    def test_why_a_node_waits_is_its_message(self) -> None:
        found = observe(
            job(max_unavailable=1, phases=(RolloutPhase(4),)),
            seen(on("n1", "Running", running())),
            at(20),
            replace(ledger("...."), out_of_service=frozenset({"n3"})),
        )
        assert found.plan.nodes[0].message == "2 nodes would be out of service with it, and 1 may: n3"
        assert found.conditions[-1].message == "node n1: 2 nodes would be out of service with it, and 1 may: n3"

    def test_it_begins_when_the_ledger_says_so_although_the_workflow_is_the_same(self) -> None:
        pods = seen(on("n1", "Running", running()))
        waiting = observe(job(paused="anna"), pods, at(20), ledger("...."))
        assert waiting.plan.nodes[0].message == "the job is paused by anna"
        begun = observe(waiting, pods, at(50), ledger("w..."))
        assert (begun.plan.nodes[0].phase, begun.plan.nodes[0].start) == (NodePhase.RUNNING, at(50))
        later = observe(begun, seen(on("n1", "Succeeded", succeeded(end=60)), version="101"), at(70), ledger("s..."))
        assert (later.plan.nodes[0].phase, later.plan.nodes[0].start) == (NodePhase.SUCCEEDED, at(50))

    def test_a_pod_that_was_killed_while_it_waited_has_touched_nothing(self) -> None:
        ended = seen(on("n1", "Failed", failed(143)), phase="Failed")
        found = observe(job(), ended, at(40), ledger("...."))
        assert found.plan.nodes[0].phase is NodePhase.SKIPPED

    def test_without_a_ledger_a_completed_workflow_speaks_for_itself(self) -> None:
        found = observe(job(), seen(on("n1", "Failed", failed(3)), phase="Failed"), at(40))
        assert found.plan.nodes[0].phase is NodePhase.FAILED

    def test_what_goes_on_at_a_node_is_its_message(self) -> None:
        notes = ledger("w...", n1="waits until it is Ready", n2="of no interest")
        found = observe(job(), seen(on("n1", "Running", running()), on("n2", "Running", running())), at(20), notes)
        assert [node.message for node in found.plan.nodes][:2] == [
            "waits until it is Ready",
            "node n1 of phase 1 is at work",
        ]


class TestPausedWithoutRollout:
    PODS: ClassVar[list[Entry]] = [*on("n1", "Running", running()), *on("n2", "Running", running(), index=1)]

    def paused(self) -> Job:
        return argo.job(*NODES, steering=Steering(paused="anna", carried_out=False))

    def test_a_node_that_waits_in_its_pod_is_not_locked_and_has_not_begun(self) -> None:
        notes = StepNotes(at_work=frozenset({"n1"}))
        found = observe(self.paused(), seen(self.PODS, told={labels.PAUSED: "anna"}), at(20), notes)
        assert [node.phase for node in found.plan.nodes][:2] == [NodePhase.RUNNING, NodePhase.WAITING]
        assert found.plan.nodes[1].message == "the job is paused by anna"
        assert found.conditions[-1].reason != "Waiting", "that it is paused is in its history already"
        assert found.steering
        assert found.steering.carried_out

    def test_what_is_locked_is_looked_at_again_although_the_workflow_stays_as_it_is(self) -> None:
        pods = seen(self.PODS)
        waiting = observe(self.paused(), pods, at(20), StepNotes(at_work=frozenset()))
        assert waiting.plan.nodes[0].phase is NodePhase.WAITING
        begun = observe(waiting, pods, at(30), StepNotes(at_work=frozenset({"n1"})))
        assert begun.plan.nodes[0].phase is NodePhase.RUNNING

    def test_where_it_is_not_known_what_is_locked_the_workflow_speaks_for_itself(self) -> None:
        found = observe(self.paused(), seen(self.PODS), at(20))
        assert [node.phase for node in found.plan.nodes][:2] == [NodePhase.RUNNING, NodePhase.RUNNING]

    def test_a_pod_that_was_ended_while_it_waited_has_touched_nothing(self) -> None:
        waiting = observe(self.paused(), seen(self.PODS), at(20), StepNotes(at_work=frozenset({"n1"})))
        ended = [*on("n1", "Failed", failed(143)), *on("n2", "Failed", failed(143), index=1)]
        ending = observe(waiting, seen(ended, version="101"), at(39), StepNotes(at_work=frozenset()))
        stopped = seen(ended, phase="Failed", version="102")
        found = observe(ending, stopped, at(40), StepNotes(at_work=frozenset()))
        assert [node.phase for node in found.plan.nodes][:2] == [NodePhase.FAILED, NodePhase.SKIPPED]


FAILED_ONCE = [*on("n1", "Failed", failed(3)), *on("n2", "Running", running(), index=1)]


class TestPausedByFailures:
    def test_it_is_said_once_with_what_goes_on_from_there(self) -> None:
        held = observe(job(on_failure="pause"), seen(FAILED_ONCE), at(30), ledger("f..."))
        assert (held.conditions[-1].type, held.conditions[-1].reason) == (Phase.RUNNING, "Paused")
        assert held.conditions[-1].message == "paused by itself: 1 node failed, and 0 may; resume tolerates them"
        again = observe(held, seen(FAILED_ONCE, version="101"), at(31), ledger("f..."))
        assert again.conditions == held.conditions

    def test_after_a_person_tolerated_it_the_next_failure_is_said_again(self) -> None:
        resumed = job(on_failure="pause", tolerated=1)
        one = observe(resumed, seen(FAILED_ONCE), at(30), ledger("f..."))
        assert all(condition.reason != "Paused" for condition in one.conditions)
        failed_again = [*FAILED_ONCE, *on("n3", "Failed", failed(3), index=2)]
        two = observe(one, seen(failed_again, version="101"), at(40), ledger("f.f."))
        assert "1 node failed since it was resumed, and 0 may" in two.conditions[-1].message

    def test_a_job_that_stops_is_never_called_paused(self) -> None:
        found = observe(job(), seen(FAILED_ONCE), at(30), ledger("f..."))
        assert all(condition.reason != "Paused" for condition in found.conditions)


class TestVerdict:
    ENDS: ClassVar[dict[str, tuple[str, Pod]]] = {
        "s": ("Succeeded", succeeded()),
        "f": ("Failed", failed(3)),
        "k": ("Failed", failed(76, "not begun: x")),
    }

    def ended(self, letters: str, **rollout: Any) -> Job:
        pods = [
            one
            for index, (node, letter) in enumerate(zip(NODES, letters, strict=True))
            if letter in self.ENDS
            for one in on(node, self.ENDS[letter][0], self.ENDS[letter][1], index=index)
        ]
        phase = "Failed" if "f" in letters or "k" in letters else "Succeeded"
        return observe(job(**rollout), seen(pods, phase=phase), at(60), ledger(letters))

    @pytest.mark.parametrize(
        ("letters", "rollout", "phase"),
        [
            ("ssss", {}, Phase.SUCCEEDED),
            ("fsss", {}, Phase.FAILED),
            ("fsss", {"failure_limit": 1}, Phase.SUCCEEDED),
            ("ffss", {"failure_limit": 1}, Phase.FAILED),
            ("ffss", {"failure_limit": 1, "tolerated": 2, "on_failure": "pause"}, Phase.SUCCEEDED),
            ("fffs", {"failure_limit": 0, "tolerated": 2, "on_failure": "pause"}, Phase.FAILED),
            ("fssk", {"failure_limit": 1}, Phase.FAILED),
            ("ssk.", {"failure_limit": 4}, Phase.FAILED),
        ],
    )
    def test_no_more_failed_than_may_and_no_node_left_unbegun(
        self, letters: str, rollout: dict[str, Any], phase: Phase
    ) -> None:
        assert self.ended(letters, **rollout).phase is phase

    def test_too_many_failures_are_named_with_the_limit(self) -> None:
        last = self.ended("fkkk").conditions[-1]
        assert (last.type, last.reason) == (Phase.FAILED, "Failed")
        assert last.message.startswith("0 of 4 nodes succeeded, 1 failed, 3 never begun; 0 may fail: node n1: ")

    def test_a_stop_is_a_stop(self) -> None:
        stopped = replace(job(paused="anna"), stop_requested=at(20))
        found = observe(stopped, seen(on("n1", "Failed", failed(143)), phase="Failed"), at(40), ledger("...."))
        assert found.conditions[-1].reason == "Stopped"
        assert [node.phase for node in found.plan.nodes] == [NodePhase.SKIPPED] * 4


def test_a_node_that_failed_by_the_ledger_has_failed_though_argo_waits_for_a_free_place() -> None:
    """Another node's pod has it, and waits until a person has looked at this failure."""
    pods = seen(on("n1", "Running", failed(3, "disk full")), on("n2", "Running", running()))
    found = observe(job(), pods, at(50), ledger("f..."))
    assert [node.phase for node in found.plan.nodes[:2]] == [NodePhase.FAILED, NodePhase.WAITING]
    assert found.plan.nodes[0].message == "disk full (exit code 3)"
    assert observe(job(), pods, at(50), ledger("w...")).plan.nodes[0].phase is NodePhase.RUNNING
