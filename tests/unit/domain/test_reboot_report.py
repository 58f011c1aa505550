"""What a reboot job says of each node, from steps that may be missing, repeated or without a report."""

import json
from typing import Any

import pytest

from service.domain.job import Job, JobType, NodePhase
from service.domain.phase import observe
from tests.unit.domain.argo import JOB_ID, Entry, at, entry, job, workflow

BLOCKED = "pod team/web cannot be evicted: The disruption budget web needs 1 healthy pods"
BOOT = {"newBootId": "new", "secondsDown": 33, "secondsToReady": 40}


def group(node: str = "n1", phase: str = "Running", index: int = 0, end: float | None = None) -> Entry:
    return entry(f"{JOB_ID}[0].node({index}:{node})", "Steps", phase, node=node, start=5, end=end)


def stage(  # noqa: PLR0913  # what an attempt at a stage has
    number: int,
    name: str,
    phase: str = "Succeeded",
    *,
    attempt: int = 0,
    node: str = "n1",
    code: int | None = None,
    text: str = "",
    outputs: dict[str, Any] | None = None,
) -> Entry:
    """One attempt at a stage; the stages follow each other by ten seconds, attempts by one."""
    start = 10 + 10 * number + attempt
    found = entry(
        f"{JOB_ID}[0].node(0:{node})[{number}].{name}({attempt})",
        "Pod",
        phase,
        node=node,
        start=start,
        end=None if phase in ("Running", "Pending") else start + 5,
        code={"Succeeded": 0, "Failed": 1}.get(phase) if code is None else code,
        text=f"main: Error (exit code {code or 1}): {text}" if text else "",
        host=True,
        template=name,
    )
    for key, value in (outputs or {}).items():
        text = value if isinstance(value, str) else json.dumps(value)
        found.setdefault("outputs", {}).setdefault("parameters", []).append({"name": key, "value": text})
    return found


def ended(*entries: Entry, nodes: tuple[str, ...] = ("n1",), phase: str = "Failed") -> Job:
    return observe(job(*nodes, job_type=JobType.REBOOT), workflow(list(entries), phase=phase), at(60))


def report(found: Job) -> list[dict[str, Any]]:
    (text,) = [output.value for output in found.outputs if output.name == "report"]
    entries: list[dict[str, Any]] = json.loads(text)
    return entries


def test_a_node_that_rebooted_is_reported_with_its_proof() -> None:
    found = ended(
        group(phase="Succeeded", end=90),
        stage(2, "evict", "Failed", attempt=0, code=75, text=BLOCKED, outputs={"evicted": ["team/b"]}),
        stage(2, "evict", attempt=1, outputs={"evicted": ["team/a", "team/b"]}),
        stage(3, "note-boot-id", outputs={"boot-id": "old"}),
        stage(5, "wait", outputs={"outcome": {**BOOT, "message": "rebooted and Ready after 40 s"}}),
        phase="Succeeded",
    )
    assert report(found) == [
        {
            "node": "n1",
            "result": "succeeded",
            "message": "rebooted and Ready after 40 s",
            "oldBootId": "old",
            "evicted": ["team/a", "team/b"],
            **BOOT,
        }
    ]
    assert [(output.name, output.value) for output in found.outputs[:3]] == [
        ("succeeded", "1"),
        ("failed", "0"),
        ("skipped", "0"),
    ]


def test_what_is_not_known_is_null() -> None:
    found = ended(group(phase="Failed", end=40), stage(3, "note-boot-id", "Failed", text="no"), nodes=("n1", "n2"))
    first, second = report(found)
    assert (first["result"], second["result"]) == ("failed", "skipped")
    for one in (first, second):
        assert [one[key] for key in ("oldBootId", "newBootId", "secondsDown", "secondsToReady")] == [None] * 4
        assert one["evicted"] == []


@pytest.mark.parametrize("rubbish", ["", "{", "[1]", "null", '"text"'])
def test_a_report_that_cannot_be_read_spoils_nothing(rubbish: str) -> None:
    found = ended(
        group(phase="Succeeded", end=90),
        stage(5, "wait", outputs={"outcome": rubbish, "evicted": rubbish}),
        phase="Succeeded",
    )
    assert (report(found)[0]["newBootId"], report(found)[0]["message"]) == (None, "")


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_node_that_failed_leaves_the_next_not_begun(phase: str) -> None:
    found = ended(
        group(phase=phase, end=70), stage(0, "lease"), stage(5, "wait", "Failed", text="stays away"), nodes=("n1", "n2")
    )
    first, second = found.plan.nodes
    assert (first.phase, first.message, first.start, first.end) == (
        NodePhase.FAILED,
        "stays away (exit code 1)",
        at(10),
        at(65),
    )
    assert (second.phase, second.message, second.start) == (NodePhase.SKIPPED, "not begun", None)
    assert found.conditions[-1].message == "step wait on node n1: stays away (exit code 1)"


def test_a_node_that_waits_in_mid_reboot_says_for_what_and_since_when_it_is_at_work() -> None:
    entries = [group(), stage(0, "lease"), stage(2, "evict", "Failed", code=75, text=BLOCKED)]
    seen = observe(job("n1", job_type=JobType.REBOOT), workflow(entries), at(60))
    (node,) = seen.plan.nodes
    assert (node.phase, node.message, node.start) == (NodePhase.WAITING, BLOCKED, at(10))
    assert seen.conditions[-1].reason == "Waiting"
    assert BLOCKED in seen.conditions[-1].message


def test_a_node_at_work_says_at_which_step() -> None:
    entries = [group(), stage(0, "lease"), stage(5, "wait", "Running")]
    seen = observe(job("n1", job_type=JobType.REBOOT), workflow(entries), at(60))
    assert (seen.plan.nodes[0].phase, seen.plan.nodes[0].message) == (NodePhase.RUNNING, "at wait")


def test_a_step_that_cannot_start_says_why() -> None:
    stuck = entry(
        f"{JOB_ID}[0].node(0:n1)[4].reboot", "Pod", "Pending", node="n1", start=50, template="reboot",
        text="Unschedulable: 0/4 nodes are available",
    )  # fmt: skip
    seen = observe(job("n1", job_type=JobType.REBOOT), workflow([group(), stage(0, "lease"), stuck]), at(60))
    assert seen.plan.nodes[0].message == "at reboot: Unschedulable: 0/4 nodes are available"


def test_a_node_that_was_stopped_while_it_waited_in_mid_reboot_was_begun() -> None:
    entries = [group(phase="Failed", end=40), stage(0, "lease"), stage(2, "evict", "Failed", code=75, text=BLOCKED)]
    flow = workflow(entries, phase="Failed", spec={"shutdown": "Stop"})
    found = observe(job("n1", job_type=JobType.REBOOT), flow, at(60))
    assert (found.plan.nodes[0].phase, found.plan.nodes[0].message) == (NodePhase.FAILED, BLOCKED)
    assert found.conditions[-1].reason == "Stopped"


def test_only_the_last_attempt_on_a_failed_node_is_a_cause() -> None:
    found = ended(
        group(phase="Succeeded", end=90),
        stage(4, "reboot", "Failed", text="lost with its node"),
        group("n2", "Failed", 1, 90),
        stage(0, "lease", "Failed", node="n2", code=75, text="node n2 is locked by job other-abc123"),
        stage(0, "lease", node="n2", attempt=1),
        stage(2, "evict", "Failed", node="n2", code=75, text=BLOCKED),
        stage(2, "evict", "Failed", node="n2", attempt=1, text="node n2 was not rebooted"),
        nodes=("n1", "n2"),
    )
    assert found.conditions[-1].message == "step evict on node n2: node n2 was not rebooted (exit code 1)"


def test_an_attempt_at_the_clean_up_begins_no_job() -> None:
    """The clean-up of a job that was stopped before anything of it had begun, run again where its pod was lost."""
    attempts = [
        entry(f"{JOB_ID}.onExit({number})", "Pod", "Succeeded", start=10 + number, end=12, code=0, host=True)
        for number in range(2)
    ]
    flow = workflow(attempts, phase="Failed", spec={"shutdown": "Stop"})
    found = observe(job("n1", job_type=JobType.REBOOT), flow, at(60))
    assert found.started is None
    assert (found.plan.nodes[0].phase, found.conditions[-1].reason) == (NodePhase.SKIPPED, "Stopped")
