"""The WorkflowTemplate of dumplog jobs, authored with Hera."""

import json

from hera.workflows import Container, Parameter, WorkflowTemplate, models

from workflow_templates.template_parts import (
    POD_SECURITY,
    RESTRICTED,
    STORE_ENV,
    STORE_MOUNTS,
    STORE_VOLUMES,
    container,
    job_id,
    pod_metadata,
    retry_strategy,
    scratch,
    scratch_volume,
)

DESCRIPTION = "Puts every log of a workload into one archive in the object store, and answers a link to it."

_SPOOL = {"name": "spool", "emptyDir": {"sizeLimit": "{{workflow.parameters.scratch-mebibytes}}Mi"}}


def build() -> WorkflowTemplate:
    """One pod that does it all: reads, compresses, uploads. Its memory does not grow with the logs."""
    with workflow_template("dumplog") as template:
        archive()
    return template


def workflow_template(entrypoint: str, *arguments: Parameter) -> WorkflowTemplate:
    """What is around the steps; template_with_nodes.py has one more."""
    return WorkflowTemplate(
        name="opsjob-dumplog",
        entrypoint=entrypoint,
        service_account_name="opsjob-dumplog",
        arguments=[Parameter(name="scratch-mebibytes"), *arguments],
        volumes=[
            models.Volume(name="files", config_map=models.ConfigMapVolumeSource(name=job_id())),
            models.Volume(name="spool", empty_dir=models.EmptyDirVolumeSource()),
            scratch_volume(),
            *STORE_VOLUMES,
        ],
        pod_metadata=pod_metadata(),
        security_context=POD_SECURITY,
    )


def archive() -> Container:
    """The step that reads, compresses and uploads."""
    step = {
        **RESTRICTED,
        "resources": models.ResourceRequirements(
            requests={"cpu": models.Quantity("100m"), "memory": models.Quantity("128Mi")},
            limits={"memory": models.Quantity("256Mi")},
        ),
        "volume_mounts": [
            models.VolumeMount(name="files", mount_path="/etc/opsjob", read_only=True),
            models.VolumeMount(name="spool", mount_path="/spool"),
            scratch(),
            *STORE_MOUNTS,
        ],
    }
    return container(
        name="dumplog",
        command=["python3", "-m", "workflow_templates.dumplog.dump"],
        args=["--job", job_id(), "--scratch-mebibytes={{workflow.parameters.scratch-mebibytes}}"],
        env_from=STORE_ENV,
        outputs=[_output(name) for name in ("endpoint", "log", "note")],
        pod_spec_patch=json.dumps({"volumes": [_SPOOL]}),
        # A drained or lost node. Its key is its own, so it may do it all again, but not for ever: it is work.
        retry_strategy=retry_strategy(60, limit=5),
        **step,
    )


def _output(name: str) -> Parameter:
    path = f"/tmp/{name}"  # noqa: S108 - the pod's own
    return Parameter(name=name, global_name=name, value_from=models.ValueFrom(path=path, default=""))
