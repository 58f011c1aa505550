"""Each way a Workflow can end, and what that means for the job."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from service.domain.job import Job, JobType, Phase
from service.domain.phase import observe
from tests.unit.domain.argo import Entry, Pod, at, busy, cut_off, entry, failed, job, on, running, succeeded, workflow

NOW = at(1000)
STOP = "workflow shutdown with strategy:  Stop"
DEADLINE = "Step exceeded its deadline"


@dataclass(frozen=True)
class Case:
    """One end: what the record says, what Argo shows, and the final condition."""

    title: str
    reason: str
    message: str
    flow: dict[str, Any]
    record: dict[str, Any] = field(default_factory=dict)


def item(node: str, pod: Pod, index: int = 0) -> list[dict[str, Any]]:
    return on(node, pod.phase, pod, index=index)


OK1 = item("n1", succeeded())
OK2 = item("n2", succeeded(), 1)
BAD2 = item("n2", failed(3, "disk full"), 1)
STOPPED2 = item("n2", cut_off(STOP, host=True), 1)
LATE2 = item("n2", cut_off(DEADLINE, host=True), 1)
RESTORE = entry("roll-abc123.onExit", "Pod", "Failed", start=25, end=29, code=1, text="main: Error (exit code 1): no")
HALF = {"options": {"availableRatio": 0.5}}

CASES = [
    Case("all went well", "Succeed", "job finished successfully", workflow(OK1, OK2, phase="Succeeded")),
    Case(
        "one failed of two",
        "RatioNotMet",
        "1 of 2 nodes succeeded, 1 failed; 2 had to succeed: node n2: disk full (exit code 3)",
        workflow(OK1, BAD2, phase="Failed", text="child 'x' failed"),
    ),
    Case(
        "Argo swallowed the failure (continueOn)",
        "RatioNotMet",
        "1 of 2 nodes succeeded, 1 failed; 2 had to succeed: node n2: disk full (exit code 3)",
        workflow(OK1, BAD2, phase="Succeeded"),
    ),
    Case(
        "one failed, one was enough", "Succeed", "job finished successfully", workflow(OK1, BAD2, phase="Failed"), HALF
    ),
    Case(
        "the clean-up failed after every node succeeded",
        "Succeed",
        "job finished successfully",
        workflow(OK1, OK2, [RESTORE], phase="Failed", text="exit handler failed"),
    ),
    Case(
        "failures put the ratio out of reach and the rest was not begun",
        "RatioNotMet",
        "0 of 2 nodes succeeded, 1 failed, 1 never begun; 2 had to succeed: node n2: disk full (exit code 3)",
        workflow(item("n1", failed(76, "too many nodes failed")), BAD2, phase="Failed"),
    ),
    Case(
        "no node became free and Argo swallowed it",
        "RatioNotMet",
        "1 of 2 nodes succeeded, 1 never begun; 2 had to succeed: node n2: not begun: it is busy",
        workflow(OK1, item("n2", busy("it is busy"), 1), phase="Succeeded"),
    ),
    Case(
        "stopped while running",
        "Stopped",
        "job was stopped by bob: 1 of 2 nodes succeeded, 1 failed",
        workflow(
            OK1,
            STOPPED2,
            phase="Failed",
            spec={"shutdown": "Stop"},
            metadata={"annotations": {"opsjob.io/stopped-by": "bob"}},
        ),
        {"stop_requested": at(15)},
    ),
    Case(
        "stopped, and Argo calls it Succeeded",
        "Stopped",
        "job was stopped: 1 of 2 nodes succeeded, 1 failed",
        workflow(OK1, STOPPED2, phase="Succeeded", spec={"shutdown": "Stop"}),
        {"stop_requested": at(15)},
    ),
    Case(
        "stopped while pending",
        "Stopped",
        "job was stopped: 0 of 2 nodes succeeded, 2 never begun",
        workflow(phase="Failed", start=None, text="Stopped with strategy 'Terminate'", spec={"shutdown": "Terminate"}),
        {"stop_requested": at(3)},
    ),
    Case(
        "stopped by somebody with argo stop",
        "Stopped",
        "job was stopped: 1 of 2 nodes succeeded, 1 failed",
        workflow(OK1, STOPPED2, phase="Failed", spec={"shutdown": "Stop"}),
    ),
    Case(
        "its Workflow was deleted by hand",
        "Stopped",
        "job was stopped because its Workflow was deleted: 1 of 2 nodes succeeded, 1 failed",
        workflow(
            OK1,
            STOPPED2,
            phase="Failed",
            spec={"shutdown": "Stop"},
            metadata={"deletionTimestamp": "2026-01-10T08:00:14Z"},
        ),
    ),
    Case(
        "stopped, although enough nodes had succeeded",
        "Stopped",
        "job was stopped: 1 of 2 nodes succeeded, 1 failed",
        workflow(OK1, STOPPED2, phase="Succeeded", spec={"shutdown": "Stop"}),
        {"stop_requested": at(15), **HALF},
    ),
    Case(
        "it had ended by itself when the stop came",
        "Succeed",
        "job finished successfully",
        workflow(OK1, OK2, phase="Succeeded", end=30),
        {"stop_requested": at(31)},
    ),
    Case(
        "it ended by itself after the stop, which had not reached it",
        "Stopped",
        "job was stopped: 2 of 2 nodes succeeded",
        workflow(OK1, OK2, phase="Succeeded", end=30),
        {"stop_requested": at(29)},
    ),
    Case(
        "the deadline passed",
        "Timeout",
        "the job's timeout of 20 s passed: 1 of 2 nodes succeeded, 1 failed",
        workflow(OK1, LATE2, phase="Failed", spec={"activeDeadlineSeconds": 20}),
    ),
    Case(
        "the deadline passed, and Argo calls it Succeeded",
        "Timeout",
        "the job's timeout of 20 s passed: 1 of 2 nodes succeeded, 1 failed",
        workflow(OK1, LATE2, phase="Succeeded", spec={"activeDeadlineSeconds": 20}),
    ),
    Case(
        "the deadline passed without a word from any step",
        "Timeout",
        "the job's timeout of 20 s passed: 1 of 2 nodes succeeded, 1 never begun",
        workflow(OK1, phase="Failed", start=5, end=25, spec={"activeDeadlineSeconds": 20}),
    ),
    Case(
        "only the clean-up went past the deadline",
        "RatioNotMet",
        "1 of 2 nodes succeeded, 1 failed; 2 had to succeed: node n2: disk full (exit code 3)",
        workflow(OK1, BAD2, phase="Failed", start=5, end=60, worked_until=20, spec={"activeDeadlineSeconds": 20}),
    ),
    Case(
        "a pod's own deadline, long before the job's",
        "RatioNotMet",
        "1 of 2 nodes succeeded, 1 failed; 2 had to succeed: node n2: was still working when the job's timeout passed",
        workflow(OK1, LATE2, phase="Failed", spec={"activeDeadlineSeconds": 600}),
    ),
    Case(
        "a stop comes before a deadline",
        "Stopped",
        "job was stopped: 1 of 2 nodes succeeded, 1 failed",
        workflow(OK1, LATE2, phase="Failed", spec={"activeDeadlineSeconds": 20, "shutdown": "Stop"}),
    ),
    Case(
        "the WorkflowTemplate is not there",
        "Error",
        'the Workflow could not run: workflowtemplates.argoproj.io "opsjob-addon-0" not found',
        workflow(phase="Error", text='workflowtemplates.argoproj.io "opsjob-addon-0" not found'),
    ),
    Case(
        "the spec is invalid",
        "Error",
        "the Workflow could not run: invalid spec: templates.main.steps failed to resolve {{x}}",
        workflow(phase="Failed", text="invalid spec: templates.main.steps failed to resolve {{x}}"),
    ),
    Case(
        "Argo says nothing",
        "Error",
        "the Workflow could not run: Argo Workflows gave no reason",
        workflow(phase="Error"),
    ),
    Case(
        "a pod could not be made",
        "RatioNotMet",
        "1 of 2 nodes succeeded, 1 failed; 2 had to succeed: node n2: pods is forbidden",
        workflow(OK1, on("n2", "Error", text="pods is forbidden", index=1), phase="Error"),
    ),
    Case(
        "a node rebooted under its script",
        "RatioNotMet",
        "1 of 2 nodes succeeded, 1 failed; 2 had to succeed: "
        "node n2: node went away (rebooted or crashed) while the script ran",
        workflow(OK1, item("n2", Pod("Failed", 255, "main: Unknown (exit code 255)", end=20), 1), phase="Failed"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_an_addon_ends(case: Case) -> None:
    ended = observe(job("n1", "n2", **case.record), case.flow, NOW)
    last = ended.conditions[-1]
    assert (last.reason, last.message) == (case.reason, case.message)
    assert ended.phase is last.type is (Phase.SUCCEEDED if case.reason == "Succeed" else Phase.FAILED)
    assert ended.ended == last.at
    assert all(node.phase.final for node in ended.plan.nodes)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_the_verdict_is_the_same_whether_or_not_the_job_was_watched(case: Case) -> None:
    record = job("n1", "n2", **case.record)
    watched = observe(record, workflow(on("n1", "Running", running()), version="50"), NOW)
    assert observe(watched, case.flow, NOW).conditions[-1] == observe(record, case.flow, NOW).conditions[-1]


def test_required_is_what_the_workflow_has() -> None:
    """A ratio with more digits than a float shows: two of three, although the float says one."""
    options, told = {"availableRatio": 0.3333333333333333}, {"parameters": {"required": "2"}}
    flow = workflow(OK1, BAD2, item("n3", failed(), 2), phase="Failed")
    ended = observe(job("n1", "n2", "n3", options=options, work=told), flow, NOW)
    assert ended.conditions[-1].reason == "RatioNotMet"


class TestOtherTypes:
    def ended(self, *entries: dict[str, Any], phase: str, text: str = "") -> Job:
        return observe(job("n1", job_type=JobType.REBOOT), workflow(list(entries), phase=phase, text=text), NOW)

    def test_argos_success_is_success(self) -> None:
        assert self.ended(phase="Succeeded").phase is Phase.SUCCEEDED

    @pytest.mark.parametrize(("phase", "reason"), [("Failed", "Failed"), ("Error", "Error")])
    def test_the_failed_step_and_node_are_named(self, phase: str, reason: str) -> None:
        wait = entry("roll-abc123[0].wait(0:n1)", "Pod", "Failed", node="n1", start=9, end=20, code=1, host=True)
        wait["message"] = "main: Error (exit code 1): still the old boot id"
        last = self.ended(wait, phase=phase, text="child 'x' failed").conditions[-1]
        assert (last.reason, last.message) == (reason, "step wait on node n1: still the old boot id (exit code 1)")

    def test_a_step_without_a_node_is_named_alone(self) -> None:
        copy = entry("roll-abc123[0].copy", "Pod", "Failed", start=9, end=20, code=1, host=True)
        copy["message"] = "main: Error (exit code 1): registry refused"
        assert self.ended(copy, phase="Failed").conditions[-1].message == "step copy: registry refused (exit code 1)"

    def test_a_loops_item_that_is_no_planned_node_is_not_called_one(self) -> None:
        dump = entry("roll-abc123[0].dump(0:pod-7)", "Pod", "Failed", start=9, end=20, code=1, host=True)
        dump["message"] = "main: Error (exit code 1): gone"
        assert self.ended(dump, phase="Failed").conditions[-1].message == "step dump: gone (exit code 1)"

    def test_a_failed_clean_up_fails_the_job(self) -> None:
        last = self.ended(RESTORE, phase="Failed").conditions[-1]
        assert (last.reason, last.message) == ("Failed", "step clean-up: no (exit code 1)")


class TestPreflight:
    """Its last step writes the report; that there is none is said with whatever else there is to say."""

    AWAY = "the object store failed every try"
    LACKING = f"the report was not written: {AWAY}"
    REPORT = "roll-abc123.onExit[1].report"

    def message(self, *items: list[dict[str, Any]], outputs: dict[str, str] | None = None, **fields: Any) -> str:
        flow = workflow(*items, outputs=outputs, **fields)
        return observe(job("n1", "n2", job_type=JobType.PREFLIGHT), flow, NOW).conditions[-1].message

    def report(self, *codes: int, text: str = AWAY) -> list[dict[str, Any]]:
        attempts = [
            entry(f"{self.REPORT}({number})", "Pod", "Failed", start=25 + number, end=26 + number, code=code, host=True)
            for number, code in enumerate(codes)
        ]
        for attempt, code in zip(attempts, codes, strict=True):
            attempt["message"] = f"main: Error (exit code {code}): {text}"
        return [entry(self.REPORT, "Retry", "Failed", start=25, end=29), *attempts]

    def test_with_a_report_nothing_is_said_of_it(self) -> None:
        written = {"report": "s3://b/preflight/j/report.json"}
        assert self.message(OK1, OK2, phase="Succeeded", outputs=written) == "job finished successfully"

    def test_healthy_nodes_without_a_report_are_a_failure_that_names_it_once(self) -> None:
        message = self.message(OK1, OK2, self.report(75, 1), phase="Failed")
        assert message == f"{self.LACKING} (exit code 1)"

    @pytest.mark.parametrize("outputs", [{}, {"report": ""}])
    def test_unhealthy_nodes_are_named_and_the_lack_too(self, outputs: dict[str, str]) -> None:
        message = self.message(OK1, BAD2, self.report(75, 75), phase="Failed", outputs=outputs)
        assert message == f"1 of 2 nodes succeeded, 1 failed: node n2: disk full (exit code 3); {self.LACKING}"

    def test_what_ended_the_step_from_outside_is_said_as_what_it_is(self) -> None:
        steps = self.report(137)
        steps[-1]["message"] = "main: OOMKilled (exit code 137)"
        message = self.message(OK1, BAD2, steps, phase="Failed")
        assert message.endswith("; the report was not written: ran out of memory (exit code 137)")

    def test_after_a_stop_too(self) -> None:
        message = self.message(OK1, STOPPED2, self.report(75), phase="Failed", spec={"shutdown": "Stop"})
        assert message == f"job was stopped: 1 of 2 nodes succeeded, 1 failed; {self.LACKING}"

    def test_a_job_that_was_stopped_before_argo_took_it_up_has_none(self) -> None:
        message = self.message(phase="Failed", start=None, spec={"shutdown": "Terminate"})
        assert message == (
            "job was stopped: 0 of 2 nodes succeeded, 2 never begun; "
            "there is no report, because the job never came to its clean-up"
        )


def skipped(node: str, *reasons: str, ran: bool = False) -> list[Entry]:
    entries = [{"name": f"t{n}", "result": "skipped", "message": reason} for n, reason in enumerate(reasons)]
    entries += [{"name": "ran", "result": "succeeded", "message": ""}] if ran else []
    return on(node, "Succeeded", succeeded(), outcome={"node": node, "result": "succeeded", "templates": entries})


def test_a_job_that_ran_nothing_anywhere_says_so() -> None:
    """Else it reads as if the driver were installed that no node was found to need."""
    one, other = skipped("n1", "the node has no GPU of nvidia"), skipped("n2", "already in place")
    nothing = workflow(one, other, phase="Succeeded")
    ended = observe(job("n1", "n2"), nothing, NOW)
    assert ended.phase is Phase.SUCCEEDED
    message = ended.conditions[-1].message
    assert message.startswith("job finished successfully; no addon template was run on any node: ")
    assert "the node has no GPU of nvidia (1 node)" in message
    assert "already in place (1 node)" in message
    some = workflow(skipped("n1", "already in place"), skipped("n2", "already in place", ran=True), phase="Succeeded")
    assert observe(job("n1", "n2"), some, NOW).conditions[-1].message == "job finished successfully"
