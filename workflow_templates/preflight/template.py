"""The WorkflowTemplate of preflight jobs, authored with Hera."""

from pathlib import Path
from typing import Any

from hera.workflows import (
    Container,
    Env,
    NoneArchiveStrategy,
    Parameter,
    S3Artifact,
    SecretEnvFrom,
    Step,
    Steps,
    WorkflowTemplate,
    models,
)

from workflow_templates.parts import (
    NODE_PIN,
    RESTRICTED,
    STORE_ENV,
    STORE_MOUNTS,
    STORE_OF_ARGO,
    STORE_PREFIX,
    STORE_SHOWN,
    STORE_VOLUMES,
    TOLERATE_EVERYTHING,
    container,
    job_id,
    retried,
    scratch,
    scratch_volume,
)

DESCRIPTION = "Runs a check on every planned node at the same time, and reports which nodes are healthy."

_FILES = models.VolumeMount(name="files", mount_path="/etc/opsjob", read_only=True)
#: Fixed text: the request's own is in files.
_RUN = (Path(__file__).parent / "run.sh").read_text(encoding="utf-8")
#: What varies with the request is made by the service, as JSON, which is YAML too. What varies with the node is said
#: here: the name that service.domain.preflight.peer tells the other checks.
_PATCH = """\
<<: {{workflow.parameters.pod-spec-patch}}
hostname: "{{workflow.parameters.peers}}-{{=sprig.trunc(12, sprig.sha256sum(inputs.parameters.node))}}"
subdomain: opsjob-peers
"""


def build() -> WorkflowTemplate:
    """Lend all nodes, then one check pod on each, watched over; whatever comes of it, the exit handler reports."""
    with WorkflowTemplate(
        name="opsjob-preflight",
        entrypoint="preflight",
        on_exit="finish",
        service_account_name="opsjob-preflight",
        artifact_repository_ref=STORE_OF_ARGO,
        arguments=[
            Parameter(name="nodes"),
            Parameter(name="image"),
            Parameter(name="pod-spec-patch"),
            Parameter(name="peers"),
            Parameter(name="start-seconds"),
            Parameter(name="mark-taint"),
            Parameter(name="mark-label"),
        ],
        volumes=[
            models.Volume(name="files", config_map=models.ConfigMapVolumeSource(name=job_id())),
            models.Volume(name="result", empty_dir=models.EmptyDirVolumeSource()),
            scratch_volume(),
            *STORE_VOLUMES,
        ],
        pod_metadata=models.Metadata(labels={"opsjob.io/job-id": job_id()}),
        # Whatever a cluster's workflowDefaults say: the report reads the logs of pods that have ended.
        pod_gc=models.PodGC(
            strategy="OnWorkflowCompletion",
            label_selector=models.LabelSelector(match_labels={"opsjob.io/job-id": "of-no-job"}),
        ),
    ) as template:
        lease, check, watch = _lease(), _check(), _watch()
        restore = container(
            name="restore",
            command=["python3", "-m", "workflow_templates.restore"],
            args=["--job", job_id()],
            retry_strategy=retried(60),
            **RESTRICTED,
        )
        report, picture = _report(), _picture()
        with Steps(name="preflight") as steps:
            Step(name="lease", template=lease)
            with steps.parallel():
                # What cannot start is a result, and is said by one who does not depend on the service.
                Step(name="watch", template=watch, continue_on=models.ContinueOn(failed=True, error=True))
                Step(
                    name="check",
                    template=check,
                    arguments=[Parameter(name="node", value="{{item}}")],
                    with_param="{{workflow.parameters.nodes}}",
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
        command=["python3", "-m", "workflow_templates.preflight.lease"],
        args=["--job", job_id()],
        retry_strategy=retried(60),
        **RESTRICTED,
    )


def _check() -> Container:
    """The only pod of the request's image."""
    return Container(
        name="check",
        image="{{workflow.parameters.image}}",
        inputs=[Parameter(name="node")],
        # With a command Argo need not ask the registry for the image's own.
        command=["/bin/sh", "-c", _RUN],
        env=[
            models.EnvVar(
                name="NODE_NAME",
                value_from=models.EnvVarSource(field_ref=models.ObjectFieldSelector(field_path="spec.nodeName")),
            ),
            Env(name="OPSJOB_ID", value=job_id()),
        ],
        env_from=[SecretEnvFrom(name=job_id())],
        labels={"opsjob.io/step": "node", "opsjob.io/type": "preflight"},
        affinity=NODE_PIN,
        tolerations=TOLERATE_EVERYTHING,
        volume_mounts=[_FILES, models.VolumeMount(name="result", mount_path="/opsjob")],
        pod_spec_patch=_PATCH,
    )


def _watch() -> Container:
    return container(
        name="watch",
        command=["python3", "-m", "workflow_templates.preflight.watch"],
        args=["--job", job_id(), "--start-seconds={{workflow.parameters.start-seconds}}"],
        retry_strategy=retried(60),
        **RESTRICTED,
    )


def _report() -> Container:
    step: dict[str, Any] = {**RESTRICTED, "volume_mounts": [_FILES, scratch(), *STORE_MOUNTS]}
    path, given_up = "/tmp/report", "/tmp/given-up"  # noqa: S108 - the pod's own
    return container(
        name="report",
        command=["python3", "-m", "workflow_templates.preflight.report"],
        args=[
            *("--job", job_id(), f"--output={path}", f"--given-up={given_up}"),
            *("--mark-taint={{workflow.parameters.mark-taint}}", "--mark-label={{workflow.parameters.mark-label}}"),
        ],
        env_from=STORE_ENV,
        outputs=[
            Parameter(name="report", global_name="report", value_from=models.ValueFrom(path=path, default="")),
            Parameter(name="given-up", global_name="given-up", value_from=models.ValueFrom(path=given_up, default="")),
        ],
        # A store that stays away must not keep the job from its end.
        retry_strategy=models.RetryStrategy.model_validate(retried(60).model_dump() | {"limit": 5}),
        **step,
    )


def _picture() -> Container:
    """Argo writes the artifact to where the report's picture is already: what its UI shows is the store's own."""
    step: dict[str, Any] = {**RESTRICTED, "volume_mounts": [scratch(), *STORE_MOUNTS]}
    path = "/tmp/matrix.svg"  # noqa: S108 - the pod's own
    return container(
        name="picture",
        command=["python3", "-m", "workflow_templates.preflight.picture"],
        args=["--job", job_id(), f"--output={path}"],
        env_from=STORE_ENV,
        outputs=[
            S3Artifact(
                name="matrix",
                path=path,
                archive=NoneArchiveStrategy(),
                key=f"{STORE_PREFIX}preflight/{job_id()}/matrix.svg",
            )
        ],
        **step,
    )
