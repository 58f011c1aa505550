"""What a reboot job reports of each node, from the outputs of its steps (contract: reboot)."""

import json
from collections.abc import Sequence

from service.domain.job import Plan, PlannedNode
from service.domain.planned_nodes import steps_by_node
from service.domain.step_outcome import Outcome
from service.domain.workflow import Step, Workflow


def report(plan: Plan, workflow: Workflow, nodes: Sequence[PlannedNode]) -> str:
    """JSON: per node its result, both boot ids, how long it was away, and which pods had to leave."""
    steps = steps_by_node(plan, workflow)
    return json.dumps([_entry(node, steps.get(node.name, ())) for node in nodes], ensure_ascii=False)


def _entry(node: PlannedNode, steps: Sequence[Step]) -> dict[str, object]:
    """What is not known (the node did not come back, or was not begun) is null."""
    boot = Outcome.of(*steps).content
    return {
        "node": node.name,
        "result": node.phase.lower(),
        "message": node.message,
        "oldBootId": next((found for step in steps if (found := step.outputs.get("boot-id"))), None),
        "newBootId": boot.get("newBootId"),
        "secondsDown": boot.get("secondsDown"),
        "secondsToReady": boot.get("secondsToReady"),
        "evicted": _evicted(steps),
    }


def _evicted(steps: Sequence[Step]) -> list[str]:
    """Of all attempts to empty the node."""
    return sorted({name for step in steps for name in _names(step.outputs.get("evicted", ""))})


def _names(text: str) -> list[str]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [str(name) for name in found] if isinstance(found, list) else []
