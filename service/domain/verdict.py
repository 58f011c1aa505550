"""How a job ended, decided in the order of the design: stop, timeout, node counts, and only then what Argo says."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from service.domain import addon, messages
from service.domain.job import Job, NodePhase, Phase, PlannedNode
from service.domain.job_rollout import JobRollout
from service.domain.job_types.registry import traits_of
from service.domain.planned_nodes import last_attempts, steps_by_node
from service.domain.rollout_progress import exceeds
from service.domain.step_outcome import Outcome
from service.domain.workflow import Step, Workflow


class Verdict(NamedTuple):
    """The final condition (contract: conditions)."""

    phase: Phase
    reason: str
    message: str


#: Every phase and reason that a job can end with (contract: conditions).
REASONS = (
    (Phase.SUCCEEDED, "Succeed"),
    *((Phase.FAILED, reason) for reason in ("Failed", "Timeout", "Stopped", "RatioNotMet", "Error")),
)

#: Argo ends pods by whole seconds, and some of them before the Workflow.
_ABOUT_SECONDS = 10
SUCCESS = Verdict(Phase.SUCCEEDED, "Succeed", "job finished successfully")


def judge(job: Job, workflow: Workflow, nodes: Sequence[PlannedNode]) -> Verdict:
    """The verdict on a completed Workflow; Argo alone may call Succeeded what was stopped or ran out of time."""
    verdict = _judged(job, workflow, nodes)
    lacking = _lacking_report(job, workflow)
    return verdict._replace(message="; ".join(filter(None, (verdict.message, lacking))))


def _judged(job: Job, workflow: Workflow, nodes: Sequence[PlannedNode]) -> Verdict:
    if _was_stopped(job, workflow) and not workflow.timed_out:
        return stopped(job, nodes, by=workflow.stopped_by, deleted=workflow.deleting)
    if _ran_out_of_time(workflow):
        return _timed_out(workflow, nodes)
    if job.rollout or traits_of(job.type).goes_by_ratio:
        return _of_rollout(job, job.rollout, workflow, nodes) if job.rollout else _counted(job, workflow, nodes)
    failed = [node for node in nodes if node.phase is NodePhase.FAILED]
    if traits_of(job.type).fails_with_a_node and failed:
        causes = messages.listed(map(messages.on_node, failed))
        return Verdict(Phase.FAILED, "Failed", f"{messages.tally(nodes)}: {causes}")
    if workflow.phase != "Succeeded":
        return _of_argo(job, workflow, nodes)
    return SUCCESS._replace(message=f"{SUCCESS.message}; {workflow.note}") if workflow.note else SUCCESS


def judge_unread(job: Job, workflow: Workflow) -> Verdict:
    """The verdict on a completed Workflow whose steps cannot be read: Argo's own, and what is not known.

    Every template fails its Workflow where too few nodes succeed, so that Argo's verdict is right, if short of reasons.
    """
    if _was_stopped(job, workflow) and not workflow.timed_out:
        verdict = stopped(job, (), by=workflow.stopped_by, deleted=workflow.deleting)
    elif _ran_out_of_time(workflow):
        verdict = _timed_out(workflow, ())
    elif workflow.phase == "Succeeded":
        verdict = SUCCESS
    else:
        why = f": {workflow.message}" if workflow.message else ""
        verdict = Verdict(Phase.FAILED, "Error", f"Argo Workflows calls the Workflow {workflow.phase}{why}")
    return verdict._replace(message=f"{verdict.message}; what became of its nodes is not known: {workflow.unreadable}")


def stopped(job: Job, nodes: Sequence[PlannedNode], *, by: str = "", deleted: bool = False) -> Verdict:
    """Failed/Stopped, with who or what stopped it."""
    if deleted and not job.stop_requested:
        how = "job was stopped because its Workflow was deleted"
    else:
        how = f"job was stopped by {by}" if by else "job was stopped"
    return Verdict(Phase.FAILED, "Stopped", _sentence(how, messages.tally(nodes)))


def _lacking_report(job: Job, workflow: Workflow) -> str:
    """Why a job has no report that should have one, in the words of the step that should have written it."""
    if not traits_of(job.type).writes_report or dict(workflow.outputs).get("report"):
        return ""
    steps = [step for step in workflow.steps if _writes_report(step)]
    if not steps:
        return "there is no report, because the job never came to its clean-up"
    failed = [messages.cause(step) for step in last_attempts(steps) if step.failed]
    return ": ".join(("the report was not written", *failed[-1:]))


def _writes_report(step: Step) -> bool:
    return step.clean_up and ".report" in step.name


def _was_stopped(job: Job, workflow: Workflow) -> bool:
    if workflow.shut_down:
        return True
    if job.stop_requested is None:
        return False
    # It may have come to its own end just before the stop reached it.
    return workflow.finished is None or workflow.finished >= job.stop_requested


def _ran_out_of_time(workflow: Workflow) -> bool:
    if workflow.timed_out:
        return True
    if not workflow.deadline_seconds or not workflow.started or not workflow.worked_until:
        return False
    left = workflow.deadline_seconds - (workflow.worked_until - workflow.started).total_seconds()
    if any(messages.timed_out(step.message) for step in workflow.steps if not step.clean_up):
        # A pod that could not start is given up by a deadline of its own, long before the job's.
        return left <= _ABOUT_SECONDS
    return workflow.phase != "Succeeded" and left <= 0


def _timed_out(workflow: Workflow, nodes: Sequence[PlannedNode]) -> Verdict:
    limit = f"the job's timeout of {workflow.deadline_seconds} s passed"
    return Verdict(Phase.FAILED, "Timeout", _sentence(limit, messages.tally(nodes)))


def _counted(job: Job, workflow: Workflow, nodes: Sequence[PlannedNode]) -> Verdict:
    """Contract: availableRatio. Enough nodes succeeded: so did the job, whatever became of a clean-up step."""
    required = addon.must_succeed(job)
    succeeded = sum(node.phase is NodePhase.SUCCEEDED for node in nodes)
    if succeeded >= required:
        idle = _did_nothing(job, workflow)
        return SUCCESS._replace(message=f"{SUCCESS.message}; {idle}") if idle else SUCCESS
    failed = [node for node in nodes if node.phase is NodePhase.FAILED]
    if not failed and workflow.phase != "Succeeded":
        return _of_argo(job, workflow, nodes)
    causes = messages.listed(map(messages.on_node, failed or [n for n in nodes if n.phase is NodePhase.SKIPPED]))
    return Verdict(Phase.FAILED, "RatioNotMet", f"{messages.tally(nodes)}; {required} had to succeed: {causes}")


def _of_rollout(job: Job, rollout: JobRollout, workflow: Workflow, nodes: Sequence[PlannedNode]) -> Verdict:
    """Contract: failureLimit. No more failed than are tolerated, and no node is left unbegun."""
    failed = [node for node in nodes if node.phase is NodePhase.FAILED]
    unbegun = [node for node in nodes if node.phase is NodePhase.SKIPPED]
    too_many = exceeds(rollout, len(failed))
    if not unbegun and not too_many:
        idle = _did_nothing(job, workflow) if traits_of(job.type).runs_addon_templates else ""
        return SUCCESS._replace(message=f"{SUCCESS.message}; {idle}") if idle else SUCCESS
    if not failed and workflow.phase != "Succeeded":
        return _of_argo(job, workflow, nodes)
    causes = messages.listed(map(messages.on_node, failed or unbegun))
    may = f"; {rollout.failure_limit} may fail" if too_many else ""
    return Verdict(Phase.FAILED, "Failed", f"{messages.tally(nodes)}{may}: {causes}")


def _did_nothing(job: Job, workflow: Workflow) -> str:
    """Why every addon template was skipped on every node that reported its work; empty: one was run."""
    reasons = Counter[str]()
    for steps in steps_by_node(job.plan, workflow).values():
        templates = Outcome.of(*steps).templates
        if not templates or any(entry.get("result") != "skipped" for entry in templates):
            return ""
        reasons.update({str(entry.get("message", "")): 1 for entry in templates})
    counted = [f"{reason} ({count} {'node' if count == 1 else 'nodes'})" for reason, count in reasons.most_common()]
    return f"no addon template was run on any node: {messages.listed(counted, 'reasons')}" if counted else ""


def _of_argo(job: Job, workflow: Workflow, nodes: Sequence[PlannedNode]) -> Verdict:
    """Failed where a step failed; Error where the Workflow could not be run as it is, or Argo itself had an error."""
    well = {node.name for node in nodes if node.phase is not NodePhase.FAILED}
    failed = [step for step in last_attempts(workflow.steps) if step.failed and step.node not in well]
    if not failed or messages.invalid_spec(workflow.message):
        message = workflow.message or "Argo Workflows gave no reason"
        return Verdict(Phase.FAILED, "Error", f"the Workflow could not run: {message}")
    # That there is no report, and why, is added to every verdict.
    sentences = [f"{_place(step, job)}: {messages.cause(step)}" for step in failed if not _writes_report(step)]
    reason = "Error" if workflow.phase == "Error" else "Failed"
    return Verdict(Phase.FAILED, reason, messages.listed(sentences, "steps"))


def _place(step: Step, job: Job) -> str:
    return f"step {step.template} on node {step.node}" if step.node in job.plan.names else f"step {step.template}"


def _sentence(what: str, tally: str) -> str:
    return f"{what}: {tally}" if tally else what
