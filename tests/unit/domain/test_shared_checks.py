"""Nodes whose checks share a runner are each what their own check made of them."""

from dataclasses import replace
from typing import Any

from service.domain.job import NodePhase, Plan, PlannedNode
from service.domain.planned_nodes import observed
from service.domain.workflow import Workflow
from workflow_templates.protocol import check_outcome
from workflow_templates.protocol.check_outcome import CheckOutcome

PLAN = Plan(tuple(PlannedNode(name) for name in ("a", "b", "c", "d")))
PASS = CheckOutcome(status="pass", code=0, started="2026-01-02T03:04:05Z", finished="2026-01-02T03:04:35Z")
OUTCOMES = {
    "a": PASS,
    "b": replace(PASS, status="fail", code=1, message="the disk is full"),
    "c": replace(
        PASS, status="error", code=None, message="could not be started within 60 s: no", started="", never_started=True
    ),
}


def flow(phase: str, outcomes: dict[str, CheckOutcome], message: str = "") -> Workflow:
    """A runner of a to c, and one of d, which has not begun."""
    said = {"parameters": [{"name": "outcomes", "value": check_outcome.written(outcomes)}]} if outcomes else {}
    entry: dict[str, Any] = {
        "templateName": "checks",
        "phase": phase,
        "message": message,
        "outputs": {**said, **({} if phase == "Running" else {"exitCode": "1" if phase == "Failed" else "0"})},
        "inputs": {"parameters": [{"name": "group", "value": "1 to 3"}]},
        "startedAt": "2026-01-02T03:04:00Z",
        "hostNodeName": "elsewhere",
    }
    retry = {**entry, "name": "j[1].checks(0:1 to 3)", "displayName": "checks(0:1 to 3)", "type": "Retry"}
    pod = {**entry, "name": "j[1].checks(0:1 to 3)(0)", "displayName": "checks(0:1 to 3)(0)", "type": "Pod"}
    status = {"phase": "Running", "nodes": {"retry": retry, "pod": pod}}
    return Workflow({"metadata": {"name": "j"}, "spec": {}, "status": status})


def test_each_ends_as_its_check_did() -> None:
    nodes = {node.name: node for node in observed(PLAN, flow("Failed", OUTCOMES))}
    assert [nodes[name].phase for name in "abcd"] == [
        NodePhase.SUCCEEDED,
        NodePhase.FAILED,
        NodePhase.FAILED,
        NodePhase.PENDING,
    ]
    assert nodes["b"].message == "the disk is full (exit code 1)"
    assert nodes["c"].message == "could not be started within 60 s: no"
    assert nodes["a"].start is not None
    assert nodes["c"].start is None


def test_while_their_runner_works_all_of_them_do() -> None:
    assert [node.phase for node in observed(PLAN, flow("Running", {}))] == [NodePhase.RUNNING] * 3 + [NodePhase.PENDING]


def test_a_runner_that_is_lost_leaves_none_of_them_healthy() -> None:
    nodes = observed(PLAN, flow("Failed", {}, "main: OOMKilled (exit code 137)"))
    assert {node.phase for node in nodes[:3]} == {NodePhase.FAILED}
    assert nodes[0].message
