"""A job's outputs, made when it ends (contract: Job types)."""

import json
from collections.abc import Sequence

from service.domain import reboot_report
from service.domain.job import Job, JobType, Named, NodePhase, PlannedNode
from service.domain.planned_nodes import steps_by_node
from service.domain.step_outcome import Outcome
from service.domain.workflow import NOTE, Step, Workflow


def outputs(job: Job, workflow: Workflow, nodes: Sequence[PlannedNode]) -> tuple[Named, ...]:
    """What the job type promises: counts and a report of each node, else the Workflow's global output parameters.

    A step that failed left these empty; its note is for the last condition (service/domain/verdict.py).
    """
    if job.type is JobType.ADDON:
        return (*_counts(nodes), Named("report", _report(job, workflow, nodes)))
    if job.type is JobType.REBOOT:
        return (*_counts(nodes), Named("report", reboot_report.report(job.plan, workflow, nodes)))
    written = tuple(Named(name, value) for name, value in workflow.outputs if value and name != NOTE)
    return (*written, *_healthy(nodes)) if job.type is JobType.PREFLIGHT else written


def _healthy(nodes: Sequence[PlannedNode]) -> tuple[Named, ...]:
    """Of the plan, and not of a step: that may be long, and what could not be tested is not healthy."""
    healthy = [node.name for node in nodes if node.phase is NodePhase.SUCCEEDED]
    failed = [node.name for node in nodes if node.phase is not NodePhase.SUCCEEDED]
    return Named("healthyNodes", json.dumps(healthy)), Named("failedNodes", json.dumps(failed))


def _counts(nodes: Sequence[PlannedNode]) -> tuple[Named, ...]:
    phases = (NodePhase.SUCCEEDED, NodePhase.FAILED, NodePhase.SKIPPED)
    return tuple(Named(phase.lower(), str(sum(node.phase is phase for node in nodes))) for phase in phases)


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
