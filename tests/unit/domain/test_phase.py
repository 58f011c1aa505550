"""The history of a job while its Workflow lives, and when it goes; how it ends is test_verdict's."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from service.domain.job import Job, JobType, NodePhase, Phase
from service.domain.phase import created, observe, without_workflow
from tests.unit.domain.argo import (
    JOB_ID,
    T0,
    at,
    busy,
    cut_off,
    entry,
    failed,
    job,
    on,
    pending,
    running,
    succeeded,
    workflow,
)

NOW = at(1000)


def history(observed: Job) -> list[tuple[str, str, str]]:
    return [(condition.type, condition.reason, condition.message) for condition in observed.conditions]


CREATED = ("Pending", "Created", "job created")
STARTED = ("Running", "Started", "job started")


def test_a_history_begins_with_creation() -> None:
    first = created(T0)
    assert (first.type, first.reason, first.message, first.status, first.at) == (*CREATED, "True", T0)


@pytest.mark.parametrize(
    ("flow", "waiting"),
    [
        (workflow(phase="", start=None), None),
        (workflow(phase="Running"), None),
        (workflow(on("n1", "Running", pending())), None),
        (workflow(on("n1", "Running", pending("PodInitializing"))), None),
        (
            workflow(phase="Pending", start=None, text="Workflow processing has been postponed"),
            "Workflow processing has been postponed",
        ),
        (workflow(on("n1", "Running", pending("Unschedulable: no cpu"))), "node n1: Unschedulable: no cpu"),
        (workflow(on("n1", "Running", pending("ImagePullBackOff: x"))), "node n1: ImagePullBackOff: x"),
        (workflow(on("n1", "Running", busy())), "node n1 is locked by job other-xyz789"),
    ],
)
def test_a_job_is_pending_until_a_pod_began_its_work(flow: dict[str, Any], waiting: str | None) -> None:
    observed = observe(job("n1", "n2"), flow, NOW)
    assert observed.phase is Phase.PENDING
    assert observed.started is None
    assert history(observed) == [CREATED] + ([("Pending", "Waiting", waiting)] if waiting else [])


def test_a_job_runs_from_its_first_pod_on() -> None:
    observed = observe(job("n1", "n2"), workflow(on("n1", "Running", running())), NOW)
    assert observed.phase is Phase.RUNNING
    assert observed.started == at(5)
    assert history(observed) == [CREATED, STARTED]
    assert observed.conditions[-1].at == at(5)


def test_a_failed_node_shows_that_the_job_ran() -> None:
    observed = observe(job("n1", "n2"), workflow(on("n1", "Failed", failed(3))), NOW)
    assert observed.phase is Phase.RUNNING


def test_a_suspended_workflow_is_running() -> None:
    flow = workflow(on("n1", "Running", running()), spec={"suspend": True})
    assert observe(job("n1"), flow, NOW).phase is Phase.RUNNING


def test_a_job_that_ran_does_not_go_back_to_pending() -> None:
    first = observe(job("n1"), workflow(on("n1", "Running", running())), NOW)
    second = observe(first, workflow(on("n1", "Running", pending()), version="101"), NOW)
    assert second.phase is Phase.RUNNING
    assert second.started == first.started


def test_argos_whole_seconds_never_put_the_start_before_the_creation() -> None:
    observed = observe(job("n1"), workflow(on("n1", "Running", running()), start=0), NOW)
    assert observed.started == T0
    times = [condition.at for condition in observed.conditions]
    assert times == sorted(times)


def test_waiting_is_brought_up_to_date_in_place() -> None:
    first = observe(job("n1"), workflow(on("n1", "Running", busy("node n1 is locked by job a"))), NOW)
    second = observe(
        first, workflow(on("n1", "Running", busy("node n1 is locked by job b", end=30)), version="101"), NOW
    )
    assert history(second) == [CREATED, ("Pending", "Waiting", "node n1 is locked by job b")]
    assert [condition.at for condition in second.conditions] == [T0, at(30)]


def test_the_same_wait_keeps_its_time() -> None:
    first = observe(job("n1"), workflow(on("n1", "Running", busy(end=12))), NOW)
    second = observe(first, workflow(on("n1", "Running", busy(end=12), busy(start=30, end=32)), version="101"), NOW)
    assert second.conditions == first.conditions


def test_a_wait_while_other_nodes_work_is_part_of_running() -> None:
    flow = workflow(on("n1", "Running", busy()), on("n2", "Running", running(), index=1))
    observed = observe(job("n1", "n2"), flow, NOW)
    assert history(observed) == [CREATED, STARTED, ("Running", "Waiting", "node n1 is locked by job other-xyz789")]


def test_a_step_for_all_nodes_says_for_whom_it_waits() -> None:
    turned_away = busy()
    name = f"{JOB_ID}[0].lease(0)"
    lease = entry(name, "Pod", "Failed", text=turned_away.text, start=10, end=12, code=75, host=True, template="lease")
    observed = observe(job("n1", job_type=JobType.PREFLIGHT), workflow([lease]), NOW)
    assert history(observed) == [CREATED, ("Pending", "Waiting", "node n1 is locked by job other-xyz789")]
    assert observed.plan.nodes[0].phase is NodePhase.PENDING


def test_a_wait_before_the_start_stays_in_the_history() -> None:
    first = observe(job("n1"), workflow(on("n1", "Running", busy(end=12))), NOW)
    second = observe(first, workflow(on("n1", "Running", busy(end=12), running(30)), version="101"), NOW)
    assert [reason for _, reason, _ in history(second)] == ["Created", "Waiting", "Started"]
    times = [condition.at for condition in second.conditions]
    assert times == sorted(times)


def test_all_waiting_nodes_are_named_up_to_a_handful() -> None:
    names = [f"n{number}" for number in range(1, 9)]
    items = [on(name, "Running", busy(f"node {name} is busy"), index=i) for i, name in enumerate(names)]
    message = observe(job(*names), workflow(*items), NOW).conditions[-1].message
    assert message.startswith("node n1 is busy; node n2 is busy; ")
    assert message.endswith("; and 3 more nodes")


def test_the_plan_shows_each_node() -> None:
    flow = workflow(on("n1", "Succeeded", succeeded()), on("n2", "Running", running(20), index=1))
    plan = observe(job("n1", "n2", "n3"), flow, NOW).plan
    assert [node.phase for node in plan.nodes] == [NodePhase.SUCCEEDED, NodePhase.RUNNING, NodePhase.PENDING]


def test_a_job_that_was_only_seen_when_it_was_over_has_its_whole_history() -> None:
    flow = workflow(on("n1", "Succeeded", succeeded()), phase="Succeeded", end=30)
    observed = observe(job("n1"), flow, NOW)
    assert history(observed) == [CREATED, STARTED, ("Succeeded", "Succeed", "job finished successfully")]
    assert [condition.at for condition in observed.conditions] == [T0, at(5), at(30)]
    assert (observed.started, observed.ended) == (at(5), at(30))


def test_a_job_that_could_not_run_has_no_start_but_an_end() -> None:
    observed = observe(job("n1"), workflow(phase="Error", text="template not found", end=6), NOW)
    assert [reason for _, reason, _ in history(observed)] == ["Created", "Error"]
    assert (observed.started, observed.ended) == (None, at(6))


def test_an_end_without_a_time_is_now() -> None:
    flow = workflow(phase="Failed", text="invalid spec: x")
    flow["status"]["finishedAt"] = None
    assert observe(job("n1"), flow, NOW).ended == NOW


class TestStaleObjects:
    running = workflow(on("n1", "Running", running()), version="100")

    def test_the_same_state_again_changes_nothing(self) -> None:
        first = observe(job("n1"), self.running, NOW)
        assert observe(first, self.running, NOW) is first

    def test_an_overtaken_state_is_dropped_by_number_not_by_text(self) -> None:
        first = observe(job("n1"), self.running, NOW)
        older = workflow(on("n1", "Failed", failed()), phase="Failed", version="99")
        newer = workflow(on("n1", "Failed", failed()), phase="Failed", version="1000")
        assert observe(first, older, NOW) is first
        assert observe(first, newer, NOW).phase is Phase.FAILED

    def test_another_workflow_of_that_name_is_not_this_jobs(self) -> None:
        first = observe(job("n1"), self.running, NOW)
        impostor = workflow(on("n1", "Failed", failed()), phase="Failed", version="200", metadata={"uid": "uid-2"})
        assert observe(first, impostor, NOW) is first

    def test_the_workflow_that_was_seen_is_remembered(self) -> None:
        observed = observe(job("n1"), self.running, NOW)
        assert (observed.workflow_uid, observed.workflow_version) == ("uid-1", "100")


class TestFinalIsFinal:
    over = observe(job("n1"), workflow(on("n1", "Failed", failed()), phase="Failed"), NOW)

    @pytest.mark.parametrize("phase", ["Running", "Succeeded", "Error"])
    def test_nothing_seen_later_changes_it(self, phase: str) -> None:
        later = workflow(on("n1", "Succeeded", succeeded()), phase=phase, version="900")
        assert observe(self.over, later, NOW) is self.over

    def test_the_workflow_of_a_job_that_ended_unseen_is_remembered(self) -> None:
        unseen = replace(self.over, workflow_uid="", workflow_version="")
        observed = observe(unseen, workflow(version="7"), NOW)
        assert (observed.workflow_uid, observed.phase) == ("uid-1", Phase.FAILED)

    def test_when_the_workflow_goes_only_that_is_noted(self) -> None:
        gone = without_workflow(self.over, NOW)
        assert gone == replace(self.over, workflow_gone=True, deletion_time=NOW)
        assert without_workflow(gone, NOW + timedelta(hours=1)) is gone


class TestVanished:
    """The Workflow is gone although the job was not seen to end."""

    def test_from_outside(self) -> None:
        flow = workflow(
            on("n1", "Succeeded", succeeded()),
            on("n2", "Running", running(), index=1),
            on("n3", "Running", busy(), index=2),
        )
        gone = without_workflow(observe(job("n1", "n2", "n3", "n4"), flow, NOW), NOW)
        assert gone.phase is Phase.FAILED
        assert history(gone)[-1] == ("Failed", "Error", "the job's Workflow was removed from outside before it ended")
        assert [node.phase for node in gone.plan.nodes] == [
            NodePhase.SUCCEEDED,
            NodePhase.FAILED,
            NodePhase.SKIPPED,
            NodePhase.SKIPPED,
        ]
        assert (gone.ended, gone.deletion_time, gone.workflow_gone) == (NOW, NOW, True)

    @pytest.mark.parametrize("fields", [{"stop_requested": at(7)}, {"hidden": True}])
    def test_after_a_stop_or_delete_that_came_before_it_was_ever_made(self, fields: dict[str, Any]) -> None:
        gone = without_workflow(job("n1", **fields), NOW)
        assert history(gone)[-1] == ("Failed", "Stopped", "job was stopped: 0 of 1 node succeeded, 1 never begun")
        assert gone.started is None

    def test_a_deletion_time_that_is_known_is_kept(self) -> None:
        assert without_workflow(job("n1", hidden=True, deletion_time=at(3)), NOW).deletion_time == at(3)


def test_clean_up_alone_does_not_start_a_job() -> None:
    restore = entry("roll-abc123.onExit", "Pod", "Running", start=10, host=True)
    flow = workflow(on("n1", "Failed", cut_off("workflow shutdown with strategy:  Stop", host=False)), [restore])
    assert observe(job("n1"), flow, NOW).phase is Phase.PENDING


def test_other_job_types_take_part_without_a_word_of_their_own() -> None:
    dump = entry("roll-abc123[0].dump", "Pod", "Running", start=10, host=True)
    assert observe(job(job_type=JobType.DUMPLOG), workflow([dump]), NOW).phase is Phase.RUNNING
