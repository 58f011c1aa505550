"""The parts of steps that look after the checks of several nodes: of each node what its check alone would have been."""

from collections.abc import Iterator
from dataclasses import replace

from service.domain.job import Plan
from service.domain.workflow import Step, Workflow, moment
from workflow_templates.protocol import check_outcome, check_pods, exit_codes
from workflow_templates.protocol.check_outcome import CheckOutcome


def parts(plan: Plan, workflow: Workflow) -> Iterator[Step]:
    """A step for each node of each shared one, as far as that has reported how the node's check ended."""
    shared = [
        step for step in workflow.steps if step.template == check_pods.SHARED_STEP and check_pods.is_group(step.node)
    ]
    outcomes = {
        step.node: check_outcome.read(step.outputs.get(check_pods.OUTCOMES, "")) for step in shared if step.outputs
    }
    for step in shared:
        for node in check_pods.members(step.node, list(plan.names)):
            outcome = outcomes.get(step.node, {}).get(node)
            yield _ended(step, node, outcome) if outcome and step.ended else replace(step, node=node, outputs={})


def _ended(step: Step, node: str, outcome: CheckOutcome) -> Step:
    code = exit_codes.NOT_STARTED if outcome.never_started else outcome.code
    ended = replace(
        step,
        node=node,
        outputs={},
        phase="Succeeded" if outcome.status == "pass" else "Failed",
        exit_code=code,
        started=moment(outcome.started) or step.started,
        finished=moment(outcome.finished) or step.finished,
    )
    if outcome.cut_off or outcome.status == "pass":
        return ended
    message = outcome.message if code is None else f"main: Error (exit code {code}): {outcome.message}"
    return replace(ended, message=message or step.message)
