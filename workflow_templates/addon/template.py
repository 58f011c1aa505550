"""The WorkflowTemplate of addon jobs, authored with Hera."""

from hera.workflows import Container, Parameter, Step, Steps, WorkflowTemplate, models

from workflow_templates import rollout_steps
from workflow_templates.protocol import exit_codes, labels
from workflow_templates.template_parts import (
    ON_HOST,
    POD_SECURITY,
    RESTRICTED,
    container,
    finish,
    job_id,
    pod_metadata,
    retry_strategy,
    scratch,
    scratch_volume,
)

DESCRIPTION = "Runs addon templates as root on the host of every planned node, as many at a time as batchCount says."

#: A strategy that takes no pod. Left out, or empty, the workflowDefaults of Argo's controller would decide; and whose
#: logs are whose, and which nodes failed, is at the pods (docs/decisions/0002).
_KEEP_PODS = models.PodGC(
    strategy="OnWorkflowCompletion", label_selector=models.LabelSelector(match_labels={labels.COLLECT: "yes"})
)

#: What there is to a phase, by its number.
_PHASE = "fromJSON(workflow.parameters.plan)[int(inputs.parameters.phase) - 1]"

#: A group is called "51 to 100".
_FIRST, _LAST = (f"int(split(inputs.parameters.group, ' to ')[{end}])" for end in (0, 1))
_NODES_OF_GROUP = f"{{{{=toJSON(fromJSON(workflow.parameters.nodes)[{_FIRST} - 1:{_LAST}])}}}}"


def build() -> WorkflowTemplate:
    """A loop over phases, in each a loop over its nodes, one pod per node; `spec.parallelism` is how many at a time.

    The inner loop goes over groups of nodes, which have a place in the tree and no other meaning: a free slot is the
    next node's, whatever group it is in (docs/decisions/0029). A job without a rollout has one phase.
    """
    with WorkflowTemplate(
        name="opsjob-addon",
        entrypoint="addon",
        on_exit="finish",
        service_account_name="opsjob-addon",
        arguments=[
            Parameter(name="nodes"),
            Parameter(name="phases"),
            Parameter(name="plan"),
            Parameter(name="required"),
            Parameter(name="planned"),
            Parameter(name="security-upgrade"),
            Parameter(name="batch-count"),
            Parameter(name="tolerate-all"),
            Parameter(name="system-namespaces"),
        ],
        volumes=[
            models.Volume(name="files", config_map=models.ConfigMapVolumeSource(name=job_id())),
            scratch_volume(),
        ],
        pod_metadata=pod_metadata(),
        security_context=POD_SECURITY,
        pod_gc=_KEEP_PODS,
    ) as template:
        node = _node()
        evaluate = _evaluate()
        restore = container(
            name="restore",
            command=["python3", "-m", "workflow_templates.release_nodes"],
            args=["--job", job_id()],
            retry_strategy=retry_strategy(60),
            **RESTRICTED,
        )
        with Steps(name="group", inputs=[Parameter(name="group")]) as group:
            Step(
                name="node",
                template=node,
                arguments=[Parameter(name="node", value="{{item}}")],
                with_param=_NODES_OF_GROUP,
            )
        with Steps(name="nodes", inputs=[Parameter(name="phase")]) as nodes:
            Step(
                name="group",
                template=group,
                arguments=[Parameter(name="group", value="{{item}}")],
                with_param=f"{{{{=toJSON({_PHASE}.groups)}}}}",
            )
        rollout_steps.loop("addon", rollout_steps.phase(nodes, evaluate))
        finish(restore)
    return template


def _node() -> Container:
    return container(
        name="node",
        inputs=[Parameter(name="node")],
        command=["python3", "-m", "workflow_templates.addon.node"],
        args=[
            "--node={{inputs.parameters.node}}",
            f"--job={job_id()}",
            "--planned={{workflow.parameters.planned}}",
            "--required={{workflow.parameters.required}}",
            "--security-upgrade={{workflow.parameters.security-upgrade}}",
            "--batch-count={{workflow.parameters.batch-count}}",
            "--tolerate-all={{workflow.parameters.tolerate-all}}",
            "--system-namespaces={{workflow.parameters.system-namespaces}}",
        ],
        outputs=[Parameter(name="outcome", value_from=models.ValueFrom(path="/tmp/outcome.json", default=""))],  # noqa: S108
        labels={labels.STEP: labels.STEP_NODE},
        volume_mounts=[rollout_steps.FILES, scratch()],
        # Busy or locked by another job: nothing was started, so it is taken up again, and its slot is free meanwhile.
        retry_strategy=models.RetryStrategy(
            limit=1_000_000,
            retry_policy="OnFailure",
            expression=f"lastRetry.exitCode == '{exit_codes.WAITING}'",
            # About as long again as the node has waited: each attempt stays in the Workflow (docs/decisions/0023).
            backoff=models.Backoff(duration="5s", factor=2, cap="300s"),
        ),
        **ON_HOST,
    )


def _evaluate() -> Container:
    module = "workflow_templates.addon.evaluate"
    return rollout_steps.reader("evaluate", module, "--required", "{{workflow.parameters.required}}")
