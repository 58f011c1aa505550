"""The WorkflowTemplate of dumplog jobs where the logs of nodes are collected too, authored with Hera.

It is another than the usual one, so that where the chart's value dumplog.nodeLogs is off no dumplog job has a
privileged step to run (docs/decisions/0021).
"""

from hera.workflows import Container, Parameter, Step, Steps, WorkflowTemplate, models

from workflow_templates.dumplog.template import archive, workflow_template
from workflow_templates.protocol import labels
from workflow_templates.template_parts import ON_HOST, container, scratch

DESCRIPTION = (
    "Puts every log of a workload, and its nodes' own, into one archive in the object store, and answers a link to it."
)

#: May do nothing in the cluster: its token is on every node that such a step runs on.
_ACCOUNT = "opsjob-dumplog-node"


def build() -> WorkflowTemplate:
    """A step on each node, of which none can hold the job up or fail it; then the one that archives."""
    parameters = ("nodes", "node-log-hours", "node-log-mebibytes", "node-log-seconds")
    with workflow_template("with-nodes", *(Parameter(name=name) for name in parameters)) as template:
        node, dumplog = _node(), archive()
        with Steps(name="with-nodes"):
            Step(
                name="node-log",
                template=node,
                arguments=[Parameter(name="node", value="{{item}}")],
                with_param="{{workflow.parameters.nodes}}",
                continue_on=models.ContinueOn(failed=True, error=True),
            )
            Step(name="dumplog", template=dumplog)
    return template


def _node() -> Container:
    # By this the archiving step knows whose log it is (node_logs.py).
    step = {**ON_HOST, "annotations": {**ON_HOST["annotations"], labels.NODE: "{{inputs.parameters.node}}"}}
    return container(
        name="node-log",
        inputs=[Parameter(name="node")],
        command=["python3", "-m", "workflow_templates.dumplog.journal"],
        args=[
            "--since-hours={{workflow.parameters.node-log-hours}}",
            "--mebibytes={{workflow.parameters.node-log-mebibytes}}",
            "--seconds={{workflow.parameters.node-log-seconds}}",
        ],
        service_account_name=_ACCOUNT,
        labels={labels.STEP: labels.STEP_NODE_LOG},
        # Its kubelet ends it then. Argo's own `timeout` would fail the whole job, whatever continueOn says.
        active_deadline_seconds="{{workflow.parameters.node-log-seconds}}",
        volume_mounts=[scratch()],
        **step,
    )
