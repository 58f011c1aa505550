"""The WorkflowTemplate of reboot jobs with a rollout: several nodes at a time, in phases (docs/decisions/0048)."""

from hera.workflows import DAG, Container, Parameter, Step, Steps, Task, WorkflowTemplate, models

from workflow_templates import rollout_steps
from workflow_templates.protocol import exit_codes
from workflow_templates.reboot.template import (
    COME_BACK_SECONDS,
    PARAMETERS,
    WHO_MUST_GO,
    clean_up,
    noted,
    output,
    stage_elsewhere,
    stage_on_host,
)
from workflow_templates.template_parts import POD_SECURITY, finish, job_id, pod_metadata, scratch, scratch_volume

DESCRIPTION = "Drains and reboots the planned nodes, several at a time, as the job's rollout says."

_NODE = "{{inputs.parameters.node}}"
_MOUNTS = [rollout_steps.FILES, scratch()]
_PLAN = "fromJSON(workflow.parameters.plan)[int(inputs.parameters.phase) - 1]"
#: A lane is called "3 of 20". Its nodes are every twentieth of the phase, from the third on.
_LANE, _LANES = (f"int(split(inputs.parameters.lane, ' of ')[{end}])" for end in (0, 1))
_TURNS = f"0..int(({_PLAN}.nodes - {_LANE}) / {_LANES})"
_TURN = f"int({_PLAN}.first) + {_LANE} - 1 + # * {_LANES}"
_NODES_OF_LANE = f"{{{{=toJSON(map({_TURNS}, fromJSON(workflow.parameters.nodes)[{_TURN}]))}}}}"


def build() -> WorkflowTemplate:
    """In each phase as many lanes as nodes may be at work, and in each lane one node after another.

    A lane takes its next node when the one before has ended, so a pod that waits for room holds no place that work in
    progress needs. Three pods a node, and six entries in the Workflow: a DAG, unlike steps, has none for its groups.
    """
    with WorkflowTemplate(
        name="opsjob-reboot",
        entrypoint="reboots",
        on_exit="finish",
        service_account_name="opsjob-reboot",
        arguments=[*(Parameter(name=name) for name in PARAMETERS), Parameter(name="phases"), Parameter(name="plan")],
        volumes=[
            models.Volume(name="files", config_map=models.ConfigMapVolumeSource(name=job_id())),
            scratch_volume(),
        ],
        pod_metadata=pod_metadata(),
        security_context=POD_SECURITY,
    ) as template:
        node = _node()
        # One that tolerates no failure ends with the first: its other nodes are not even looked at.
        lanes = [_lane("lane", node, fail_fast=True), _lane("tolerant-lane", node, fail_fast=False)]
        with Steps(name="nodes", inputs=[Parameter(name="phase")]) as nodes, nodes.parallel():
            for lane in lanes:
                Step(
                    name=lane.name,
                    template=lane,
                    arguments=[
                        Parameter(name="lane", value="{{item}}"),
                        Parameter(name="phase", value="{{inputs.parameters.phase}}"),
                    ],
                    with_param=f"{{{{=toJSON({_PLAN}['{lane.name}s'])}}}}",
                )
        evaluate = rollout_steps.reader("evaluate", "workflow_templates.reboot.evaluate_reboot")
        rollout_steps.loop("reboots", rollout_steps.phase(nodes, evaluate))
        finish(clean_up())
    return template


def _lane(name: str, node: DAG, *, fail_fast: bool) -> Steps:
    inputs = [Parameter(name="lane"), Parameter(name="phase")]
    with Steps(name=name, inputs=inputs, parallelism=1, fail_fast=fail_fast) as lane:
        Step(
            name="node",
            template=node,
            arguments=[Parameter(name="node", value="{{item}}")],
            with_param=_NODES_OF_LANE,
        )
    return lane


def _node() -> DAG:
    begin, reboot, end = _begin(), stage_on_host(), _end()
    with DAG(name="node", inputs=[Parameter(name="node")]) as node:
        name = Parameter(name="node", value=_NODE)
        boot_id = Parameter(name="boot-id", value="{{tasks.begin.outputs.parameters.boot-id}}")
        Task(name="begin", template=begin, arguments=[name])
        Task(name="reboot", template=reboot, arguments=[name, boot_id], depends="begin.Succeeded")
        # Whether the node reboots is for this task to find out, whatever became of the pod that told it to.
        ended = "reboot.Succeeded || reboot.Failed || reboot.Errored"
        Task(name="end", template=end, arguments=[name, boot_id], depends=ended)
    return node


def _begin() -> Container:
    begin = stage_elsewhere(
        "begin",
        "--seconds={{workflow.parameters.evict-seconds}}",
        *WHO_MUST_GO,
        cap_seconds=60,
        outputs=[noted("boot-id"), output("evicted", "/tmp/evicted.json")],  # noqa: S108 - the pod's own
        volume_mounts=_MOUNTS,
    )
    begin.retry_strategy.expression += f" && lastRetry.exitCode != '{exit_codes.NOT_BEGUN}'"
    return begin


def _end() -> Container:
    return stage_elsewhere(
        "end",
        "--boot-id={{inputs.parameters.boot-id}}",
        f"--come-back-seconds={COME_BACK_SECONDS}",
        asks=("boot-id",),
        outputs=[output("outcome", "/tmp/outcome.json")],  # noqa: S108 - the pod's own
        volume_mounts=_MOUNTS,
    )
