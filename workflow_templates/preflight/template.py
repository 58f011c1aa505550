"""The WorkflowTemplate of preflight jobs, authored with Hera."""

from typing import Any

from hera.workflows import (
    Container,
    NoneArchiveStrategy,
    Parameter,
    S3Artifact,
    Step,
    Steps,
    WorkflowTemplate,
    models,
)

from workflow_templates.protocol import check_pods, exit_codes, labels
from workflow_templates.template_parts import (
    POD_SECURITY,
    RESTRICTED,
    STORE_ENV,
    STORE_MOUNTS,
    STORE_OF_ARGO,
    STORE_PREFIX,
    STORE_SHOWN,
    STORE_VOLUMES,
    container,
    job_id,
    pod_metadata,
    retry_strategy,
    scratch,
    scratch_volume,
)

DESCRIPTION = "Runs a check on every planned node at the same time, and reports which nodes are healthy."

_FILES = models.VolumeMount(name="files", mount_path="/etc/opsjob", read_only=True)
#: A group is called "51 to 100".
_FIRST, _LAST = (f"int(split(inputs.parameters.{check_pods.GROUP}, ' to ')[{end}])" for end in (0, 1))
#: The nodes of a runner, as JSON, from its one input.
_NODES = {
    "node": "{{=toJSON([inputs.parameters.node])}}",
    check_pods.GROUP: f"{{{{=toJSON(fromJSON(workflow.parameters.nodes)[{_FIRST} - 1:{_LAST}])}}}}",
}
#: The chart puts the namespace of the checks in the place of it.
_CHECKS_NAMESPACE = "OPSJOBS_CHECKS_NAMESPACE"


def build() -> WorkflowTemplate:
    """Lock all nodes, then a runner for the check of each; whatever comes of it, the exit handler reports.

    The checks' own pods are in another namespace (docs/decisions/0031).
    """
    with WorkflowTemplate(
        name="opsjob-preflight",
        entrypoint="preflight",
        on_exit="finish",
        service_account_name="opsjob-preflight",
        artifact_repository_ref=STORE_OF_ARGO,
        arguments=[
            Parameter(name="nodes"),
            # Of these two one is empty: each node with a runner of its own, or groups of nodes with one each.
            Parameter(name="alone"),
            Parameter(name="groups"),
            Parameter(name="start-seconds"),
            Parameter(name="lost-seconds"),
            Parameter(name="mark-taint"),
            Parameter(name="mark-label"),
        ],
        volumes=[
            models.Volume(name="files", config_map=models.ConfigMapVolumeSource(name=job_id())),
            scratch_volume(),
            *STORE_VOLUMES,
        ],
        pod_metadata=pod_metadata(),
        security_context=POD_SECURITY,
        # Whatever a cluster's workflowDefaults say: the report reads the logs of pods that have ended.
        pod_gc=models.PodGC(
            strategy="OnWorkflowCompletion",
            label_selector=models.LabelSelector(match_labels={labels.JOB_ID: "of-no-job"}),
        ),
    ) as template:
        lease, check = _lease(), _runner("check", "node")
        checks = _runner(check_pods.SHARED_STEP, check_pods.GROUP)
        restore = container(
            name="restore",
            command=["python3", "-m", "workflow_templates.preflight.preflight_clean_up"],
            args=["--job", job_id(), f"--namespace={_CHECKS_NAMESPACE}"],
            retry_strategy=retry_strategy(60),
            **RESTRICTED,
        )
        report, picture = _report(), _picture()
        with Steps(name="preflight") as steps:
            Step(name="lease", template=lease)
            with steps.parallel():
                Step(
                    name="check",
                    template=check,
                    arguments=[Parameter(name="node", value="{{item}}")],
                    with_param="{{workflow.parameters.alone}}",
                )
                Step(
                    name=check_pods.SHARED_STEP,
                    template=checks,
                    arguments=[Parameter(name=check_pods.GROUP, value="{{item}}")],
                    with_param="{{workflow.parameters.groups}}",
                )
        with Steps(name="finish") as finish:
            with finish.parallel():
                Step(name="restore", template=restore, continue_on=models.ContinueOn(failed=True, error=True))
                Step(name="report", template=report)
            Step(
                name="picture",
                template=picture,
                when=f"'{STORE_SHOWN}' == 'yes'",
                continue_on=models.ContinueOn(failed=True, error=True),
            )
    return template


def _lease() -> Container:
    return container(
        name="lease",
        command=["python3", "-m", "workflow_templates.preflight.lock_all_nodes"],
        args=["--job", job_id(), "--lost-seconds={{workflow.parameters.lost-seconds}}"],
        retry_strategy=retry_strategy(60),
        **RESTRICTED,
    )


def _runner(name: str, what: str) -> Container:
    """It makes the pods of its checks, and is all that Argo sees of them."""
    step: dict[str, Any] = {**RESTRICTED, "volume_mounts": [_FILES, scratch()]}
    path = "/tmp/outcomes"  # noqa: S108 - the pod's own
    return container(
        name=name,
        service_account_name="opsjob-check",
        inputs=[Parameter(name=what)],
        command=["python3", "-m", "workflow_templates.preflight.runner"],
        args=[
            f"--job={job_id()}",
            f"--nodes={_NODES[what]}",
            f"--namespace={_CHECKS_NAMESPACE}",
            "--start-seconds={{workflow.parameters.start-seconds}}",
            "--lost-seconds={{workflow.parameters.lost-seconds}}",
            "--attempt={{retries}}",
            f"--outcomes={path}",
        ],
        outputs=[Parameter(name=check_pods.OUTCOMES, value_from=models.ValueFrom(path=path, default=""))],
        labels={labels.STEP: labels.STEP_NODE},
        # The API was away, or this pod was lost with its node: the next one takes over the pods that are there.
        retry_strategy=models.RetryStrategy(
            limit=20,
            retry_policy="Always",
            expression=f"lastRetry.exitCode == '{exit_codes.WAITING}' || lastRetry.exitCode == '-1'",
            backoff=models.Backoff(duration="5s", factor=2, cap="60s"),
        ),
        **step,
    )


def _report() -> Container:
    step: dict[str, Any] = {**RESTRICTED, "volume_mounts": [_FILES, scratch(), *STORE_MOUNTS]}
    path = "/tmp/report"  # noqa: S108 - the pod's own
    return container(
        name="report",
        command=["python3", "-m", "workflow_templates.preflight.report"],
        args=[
            *("--job", job_id(), f"--output={path}"),
            *("--mark-taint={{workflow.parameters.mark-taint}}", "--mark-label={{workflow.parameters.mark-label}}"),
        ],
        env_from=STORE_ENV,
        outputs=[
            Parameter(name="report", global_name="report", value_from=models.ValueFrom(path=path, default="")),
        ],
        # A store that stays away must not keep the job from its end.
        retry_strategy=models.RetryStrategy.model_validate(retry_strategy(60).model_dump() | {"limit": 5}),
        **step,
    )


def _picture() -> Container:
    """Argo's UI shows a page at once, and a picture of this kind only to who asks for it."""
    step: dict[str, Any] = {**RESTRICTED, "volume_mounts": [scratch(), *STORE_MOUNTS]}
    path = "/tmp/matrix.html"  # noqa: S108 - the pod's own
    return container(
        name="picture",
        command=["python3", "-m", "workflow_templates.preflight.fetch_svg"],
        args=["--job", job_id(), f"--output={path}"],
        env_from=STORE_ENV,
        outputs=[
            S3Artifact(
                name="matrix",
                path=path,
                archive=NoneArchiveStrategy(),
                key=f"{STORE_PREFIX}preflight/{job_id()}/matrix.html",
                # Its UI says of what has no word on it that it goes with the Workflow.
                artifact_gc=models.ArtifactGC(strategy="Never"),
            )
        ],
        **step,
    )
