"""The rules against Workflows that Argo 4.0.7 really made.

Each file in workflows/ was read from a live cluster of three nodes with `kubectl get workflow -o json` and cut down to
the fields that rules look at. They ran a template of the shape of the addon one, with stub scripts: a loop of retried
pods (exit code 75 is taken up again), a step after it that judges, and an exit handler.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from service.domain.job import Job, JobType, NodePhase, Plan, PlannedNode
from service.domain.phase import created, observe
from tests.unit.domain.argo import job

FOLDER = Path(__file__).with_name("workflows")
LOST_IMAGE = (
    'ErrImagePull: failed to pull and unpack image "nowhere.invalid/none:1": failed to resolve reference '
    '"nowhere.invalid/none:1": failed to do request: Head "https://nowhere.invalid/v2/none/manifests/1": '
    "dial tcp: lookup nowhere.invalid on 127.0.0.11:53: no such host"
)
UNSCHEDULABLE = (
    "Unschedulable: 0/4 nodes are available: 4 node(s) didn't satisfy plugin(s) [NodeAffinity]. no new claims to "
    "deallocate, preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling."
)
HELD = "node node-2 is locked by job other-abc123"
CREATED, STARTED = ("Created", "job created"), ("Started", "job started")


def real(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def seen(nodes: str, *names: str) -> Job:
    """A job over those nodes whose Workflow was seen at these moments."""
    flows = [real(name) for name in names]
    at = datetime.fromisoformat(flows[0]["metadata"]["creationTimestamp"])
    plan = Plan(tuple(PlannedNode(f"node-{number}") for number in nodes))
    observed = job(created=at, conditions=(created(at),), plan=plan, job_id=flows[0]["metadata"]["name"])
    for flow in flows:
        observed = observe(observed, flow, at)
    return observed


def history(observed: Job) -> list[tuple[str, str]]:
    return [(condition.reason, condition.message) for condition in observed.conditions]


@pytest.mark.parametrize(
    ("name", "nodes", "argo", "final"),
    [
        ("all-succeed", "123", "Succeeded", ("Succeed", "job finished successfully")),
        (
            "one-fails",
            "123",
            "Failed",
            (
                "RatioNotMet",
                "2 of 3 nodes succeeded, 1 failed; 3 had to succeed: node node-2: thp failed with exit code 3",
            ),
        ),
        (
            "ratio-out-of-reach",
            "123",
            "Failed",
            (
                "RatioNotMet",
                (
                    "0 of 3 nodes succeeded, 2 failed, 1 never begun; 3 had to succeed: "
                    "node node-1: failed with exit code 4; node node-2: failed with exit code 4"
                ),
            ),
        ),
        # The judging step let it pass, so Argo calls it Succeeded.
        (
            "killed",
            "1",
            "Succeeded",
            (
                "RatioNotMet",
                "0 of 1 node succeeded, 1 failed; 1 had to succeed: node node-1: failed with exit code 137",
            ),
        ),
        (
            "force-deleted",
            "12",
            "Succeeded",
            (
                "RatioNotMet",
                (
                    "1 of 2 nodes succeeded, 1 failed; 2 had to succeed: node node-2: "
                    "its node went away (rebooted or crashed), or its pod was deleted, while it worked"
                ),
            ),
        ),
        (
            "stop-midway",
            "123",
            "Failed",
            ("Stopped", "job was stopped: 0 of 3 nodes succeeded, 2 failed, 1 never begun"),
        ),
        ("suspended", "123", "Failed", ("Stopped", "job was stopped: 1 of 3 nodes succeeded, 2 never begun")),
        ("waits", "12", "Failed", ("Stopped", "job was stopped: 1 of 2 nodes succeeded, 1 never begun")),
        (
            "deadline",
            "123",
            "Failed",
            ("Timeout", "the job's timeout of 20 s passed: 0 of 3 nodes succeeded, 2 failed, 1 never begun"),
        ),
        (
            "bad-spec",
            "1",
            "Failed",
            (
                "Error",
                "the Workflow could not run: invalid spec: template reference addon-stub.nothing not found",
            ),
        ),
        (
            "no-template",
            "1",
            "Error",
            ("Error", 'the Workflow could not run: workflowtemplates.argoproj.io "no-such" not found'),
        ),
    ],
)
def test_how_it_ended(name: str, nodes: str, argo: str, final: tuple[str, str]) -> None:
    assert real(name)["status"]["phase"] == argo
    ended = seen(nodes, name)
    assert history(ended)[-1] == final
    assert ended.ended == datetime.fromisoformat(real(name)["status"]["finishedAt"])
    assert ("Started" in [reason for reason, _ in history(ended)]) == (ended.started is not None)


SUCCEEDED, FAILED, SKIPPED = NodePhase.SUCCEEDED, NodePhase.FAILED, NodePhase.SKIPPED


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("all-succeed", [(SUCCEEDED, ""), (SUCCEEDED, ""), (SUCCEEDED, "")]),
        ("one-fails", [(SUCCEEDED, ""), (FAILED, "thp failed with exit code 3"), (SUCCEEDED, "")]),
        (
            "ratio-out-of-reach",
            [
                (FAILED, "failed with exit code 4"),
                (FAILED, "failed with exit code 4"),
                (SKIPPED, "not begun: 2 of 3 nodes failed and 2 must succeed"),
            ],
        ),
        (
            "stop-midway",
            [
                (FAILED, "was stopped while it worked"),
                (FAILED, "was stopped while it worked"),
                (SKIPPED, "not begun"),
            ],
        ),
        ("suspended", [(SUCCEEDED, ""), (SKIPPED, "not begun"), (SKIPPED, "not begun")]),
        ("waits", [(SUCCEEDED, ""), (SKIPPED, f"not begun: {HELD}")]),
        (
            "deadline",
            [
                (FAILED, "was still working when the job's timeout passed"),
                (FAILED, "was still working when the job's timeout passed"),
                (SKIPPED, "not begun"),
            ],
        ),
    ],
)
def test_where_each_node_ended(name: str, expected: list[tuple[NodePhase, str]]) -> None:
    ended = seen("".join(str(number + 1) for number in range(len(expected))), name)
    assert [(node.phase, node.message) for node in ended.plan.nodes] == expected
    for node in ended.plan.nodes:
        assert (node.start is None) == (node.end is None) == (node.phase is SKIPPED)
        assert node.start is None or node.end is None or node.start <= node.end


def test_a_waiting_node_says_for_whom_and_in_the_end_that_it_was_not_begun() -> None:
    waiting = seen("12", "waits-midway")
    assert [node.phase for node in waiting.plan.nodes] == [SUCCEEDED, NodePhase.WAITING]
    assert history(waiting) == [CREATED, STARTED, ("Waiting", HELD)]
    assert [reason for reason, _ in history(seen("12", "waits-midway", "waits"))][-1] == "Stopped"


def test_a_pod_without_an_image_keeps_the_job_pending_and_was_never_begun() -> None:
    assert history(seen("1", "no-image-midway")) == [CREATED, ("Waiting", f"node node-1: {LOST_IMAGE}")]
    stopped = seen("1", "no-image-midway", "no-image")
    assert [(node.phase, node.message) for node in stopped.plan.nodes] == [(SKIPPED, f"not begun: {LOST_IMAGE}")]
    assert stopped.started is None


def test_a_pod_that_cannot_be_scheduled_keeps_the_job_pending() -> None:
    flow = real("unschedulable-midway")
    at = datetime.fromisoformat(flow["metadata"]["creationTimestamp"])
    observed = observe(job("no-such-node", created=at, conditions=(created(at),)), flow, at)
    assert history(observed) == [CREATED, ("Waiting", f"node no-such-node: {UNSCHEDULABLE}")]
    stopped = observe(observed, real("unschedulable"), at)
    assert history(stopped)[-1] == ("Stopped", "job was stopped: 0 of 1 node succeeded, 1 never begun")


def test_a_node_that_was_given_up_says_so() -> None:
    """Its pod was marked Failed with that message, as a node that does not answer cannot do itself."""
    flow = real("node-lost")
    at = datetime.fromisoformat(flow["metadata"]["creationTimestamp"])
    (node,) = observe(job("lost-1", created=at), flow, at).plan.nodes
    assert (node.phase, node.message) == (FAILED, "node lost-1 did not answer for 300 s and was given up")


def test_a_suspended_workflow_freezes_its_steps_but_not_what_is_known_of_its_nodes() -> None:
    suspended = seen("123", "suspended-midway")
    assert [node.phase for node in suspended.plan.nodes] == [SUCCEEDED, NodePhase.PENDING, NodePhase.PENDING]
    waits = f"the Workflow is suspended in Argo: nothing begins until `argo resume {suspended.job_id}`"
    assert history(suspended) == [CREATED, STARTED, ("Waiting", waits)]


def test_pods_at_work() -> None:
    running = seen("123", "running")
    assert [node.phase for node in running.plan.nodes] == [NodePhase.RUNNING, NodePhase.RUNNING, NodePhase.PENDING]


def test_the_report_carries_what_the_nodes_wrote() -> None:
    outputs = {output.name: output.value for output in seen("123", "one-fails").outputs}
    first, second, _ = json.loads(outputs["report"])
    assert (outputs["succeeded"], outputs["failed"], outputs["skipped"]) == ("2", "1", "0")
    assert first["templates"][0]["lastLines"] == "done"
    assert second == {
        "node": "node-2",
        "result": "failed",
        "message": "thp failed with exit code 3",
        "templates": [
            {
                "name": "thp",
                "result": "failed",
                "exitCode": 3,
                "message": "no such file",
                "lastLines": "cat: no such file",
            }
        ],
    }


def rebooting(name: str, *nodes: str) -> Job:
    """As the template of reboot jobs ran it on the local cluster."""
    flow = real(name)
    at = datetime.fromisoformat(flow["metadata"]["creationTimestamp"])
    planned = job(
        *nodes, created=at, conditions=(created(at),), job_type=JobType.REBOOT, job_id=flow["metadata"]["name"]
    )
    return observe(planned, flow, at)


def test_a_node_that_rebooted_is_done_and_its_report_proves_it() -> None:
    """It was the node of the control plane, of Argo and of the service."""
    ended = rebooting("reboot-succeeds", "control-plane")
    (node,) = ended.plan.nodes
    assert (node.phase, node.message) == (SUCCEEDED, "rebooted and Ready after 41 s")
    assert history(ended)[-1] == ("Succeed", "job finished successfully")
    (entry,) = json.loads({output.name: output.value for output in ended.outputs}["report"])
    assert entry["oldBootId"] == "85dbdccb-06cf-4f75-8b62-4e312fa95466"
    assert entry["newBootId"] == "848dd68c-b7e2-44a6-8fcb-34dc34e57290"
    assert len(entry["evicted"]) == 4


def test_a_node_that_stayed_away_leaves_the_next_not_begun() -> None:
    """The clean-up went to the very node, which was seen before its pods were kept off nodes that are down."""
    ended = rebooting("reboot-stays-away", "node-2", "node-3")
    gone = "node node-2 went away and did not come back within 75 s; it stays cordoned (exit code 1)"
    assert [(node.phase, node.message) for node in ended.plan.nodes] == [(FAILED, gone), (SKIPPED, "not begun")]
    reason, message = history(ended)[-1]
    assert reason == "Failed"
    assert message == (
        f"step wait on node node-2: {gone}; step clean-up: node node-2 did not answer for 300 s and was given up"
    )


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_real_workflow_seen_twice_is_seen_once(path: Path) -> None:
    once = seen("123", path.stem)
    assert observe(once, real(path.stem), once.created) is once
