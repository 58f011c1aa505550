import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from service.domain.job import Job, Named, PlannedNode
from service.domain.job_types.traits import REPORT, Traits, counts
from service.domain.planned_nodes import steps_by_node
from service.domain.step_outcome import Outcome
from service.domain.workflow import Step, Workflow


class Addon(Traits):
    has_rollout = True
    goes_by_ratio = True
    runs_addon_templates = True
    subject_inputs = ("addon.template", "node.template")
    files = REPORT

    def pods_at_once(self, options: Mapping[str, Any]) -> int:
        """Contract: batchCount, default 1. One pod per node makes Argo's count of pods a count of nodes."""
        return max(1, options.get("batchCount") or 1)

    def shown(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "batchCount": options.get("batchCount", 1),
            "availableRatio": float(Decimal(str(options.get("availableRatio", "1")))),
            "securityUpgrade": bool(options.get("securityUpgrade")),
        }

    def outputs(self, job: Job, workflow: Workflow, nodes: Sequence[PlannedNode]) -> tuple[Named, ...]:
        return (*counts(nodes), Named("report", _report(job, workflow, nodes)))


def _report(job: Job, workflow: Workflow, nodes: Sequence[PlannedNode]) -> str:
    steps = steps_by_node(job.plan, workflow)
    return json.dumps([_entry(node, steps.get(node.name, ())) for node in nodes], ensure_ascii=False)


def _entry(node: PlannedNode, steps: Sequence[Step]) -> dict[str, object]:
    """One node's line: how it ended is ours to say, what its templates did is its own report's."""
    return {
        "node": node.name,
        "result": node.phase.lower(),
        "message": node.message,
        "templates": Outcome.of(*steps).templates,
    }


TRAITS = Addon()
