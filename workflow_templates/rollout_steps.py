"""The parts of a rollout in a WorkflowTemplate: a phase, its soak, its gate (docs/decisions/0047)."""

from hera.workflows import Container, Parameter, Step, Steps, Suspend, models

from workflow_templates.protocol import labels
from workflow_templates.template_parts import RESTRICTED, container, job_id, retry_strategy, scratch

#: What the service has written for the job's steps.
FILES = models.VolumeMount(name="files", mount_path="/etc/opsjob", read_only=True)

_NUMBER = "{{inputs.parameters.phase}}"
_OF_PHASE = "{{{{=fromJSON(workflow.parameters.plan)[int(inputs.parameters.phase) - 1].{key}}}}}"
#: Up to which phase a person has ended what is waited for; Argo fills it in anew at each of its turns.
_ADVANCED = f"{{{{=fromJSON(workflow.annotations.json)['{labels.ADVANCED}'] ?? '0'}}}}"
_LAST = _OF_PHASE.format(key="last")
_FAILED = "{{steps.nodes.status}} != Succeeded"


def phase(nodes: Steps, evaluate: Container) -> Steps:
    """Its nodes; where some failed, whether the job goes on; then what is waited for before the next phase.

    After the last phase `evaluate` gives the verdict, if there is one to give: one phase without a failure needs none.
    """
    settle, soak, gate = reader("settle", "workflow_templates.settle"), _pause("soak"), _pause("gate")
    with Steps(name="phase", inputs=[Parameter(name="phase")]) as steps:
        number = Parameter(name="phase", value=_NUMBER)
        # A loop has no status of its own, with continueOn it is always Succeeded. The steps around it have one.
        Step(
            name="nodes",
            template=nodes,
            arguments=[number],
            continue_on=models.ContinueOn(failed=True, error=True),
        )
        with steps.parallel():
            Step(name="settle", template=settle, when=f"{_LAST} == no && {_FAILED}")
            Step(name="evaluate", template=evaluate, when=f"{_LAST} == yes && ({_FAILED} || {_NUMBER} != 1)")
        for step in (soak, gate):
            seconds = _OF_PHASE.format(key=step.name)
            given = [number, Parameter(name="seconds", value=seconds), Parameter(name="advanced", value=_ADVANCED)]
            Step(name=step.name, template=step, arguments=given, when=f"{seconds} != 0")
    return steps


def loop(name: str, of: Steps) -> None:
    """The entrypoint: one phase after another, and none after one that failed."""
    with Steps(name=name, parallelism=1, fail_fast=True):
        Step(
            name="phase",
            template=of,
            arguments=[Parameter(name="phase", value="{{item}}")],
            with_param="{{workflow.parameters.phases}}",
        )


def reader(name: str, module: str, *arguments: str) -> Container:
    """A step that reads the job's files and speaks to the Kubernetes API only."""
    return container(
        name=name,
        command=["python3", "-m", module],
        args=["--job", job_id(), *arguments],
        retry_strategy=retry_strategy(60),
        **RESTRICTED | {"volume_mounts": [FILES, scratch()]},
    )


def _pause(name: str) -> Suspend:
    """A suspended step, which ends by itself, or within a turn of Argo's when a person advances the job.

    No status is written for that: its duration becomes one that has passed.
    """
    inputs = "inputs.parameters"
    return Suspend(
        name=name,
        inputs=[Parameter(name="phase"), Parameter(name="seconds"), Parameter(name="advanced")],
        duration=f"{{{{=int({inputs}.advanced) >= int({inputs}.phase) ? '1' : {inputs}.seconds}}}}",
    )
