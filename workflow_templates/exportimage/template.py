"""The WorkflowTemplate of exportimage jobs, authored with Hera."""

from hera.workflows import Parameter, WorkflowTemplate, models

from workflow_templates.template_parts import (
    POD_SECURITY,
    RESTRICTED,
    TINY,
    container,
    job_id,
    pod_metadata,
    scratch,
    scratch_volume,
)

DESCRIPTION = "Copies the image that a workload ran from its registry to the team's own, under a tag of the day."

#: The chart puts the names in use in the place of these, and leaves the template out where no registry is configured.
_SECRET = "OPSJOBS_REGISTRY_SECRET"  # noqa: S105 - a placeholder for a name
_CONFIG_MAP = "OPSJOBS_REGISTRY_AUTHORITIES"

#: The image streams through; what that takes does not depend on its size (tests/registries/test_long.py).
MEMORY = "256Mi"

#: What the step finds where.
_FILES, _CREDENTIALS, _AUTHORITIES = "/etc/opsjob", "/etc/opsjob-registry", "/etc/opsjob-authorities"


def build() -> WorkflowTemplate:
    """One pod on any node: the image goes through it from registry to registry and is kept nowhere on the way."""
    with WorkflowTemplate(
        name="opsjob-exportimage",
        entrypoint="export",
        service_account_name="opsjob-exportimage",
        volumes=[
            models.Volume(name="files", config_map=models.ConfigMapVolumeSource(name=job_id())),
            # Optional: the step says in a sentence what is missing, the kubelet would only wait.
            models.Volume(name="credentials", secret=models.SecretVolumeSource(secret_name=_SECRET, optional=True)),
            models.Volume(name="authorities", config_map=models.ConfigMapVolumeSource(name=_CONFIG_MAP, optional=True)),
            scratch_volume(),
        ],
        pod_metadata=pod_metadata(),
        security_context=POD_SECURITY,
    ) as template:
        container(
            name="export",
            command=["python3", "-m", "workflow_templates.exportimage.export"],
            args=["--job", job_id()],
            outputs=[
                Parameter(
                    name=name,
                    global_name=name,
                    value_from=models.ValueFrom(path=f"/tmp/{name}", default=""),  # noqa: S108 - the pod's own
                )
                for name in ("target", "digest")
            ],
            # Its pod went away with its node: what was copied is there, and the rest is copied now.
            retry_strategy=models.RetryStrategy(
                limit=3, retry_policy="OnError", backoff=models.Backoff(duration="5s", factor=2, cap="60s")
            ),
            **{
                **RESTRICTED,
                "resources": models.ResourceRequirements(
                    requests=TINY.requests, limits={"memory": models.Quantity(MEMORY)}
                ),
                "volume_mounts": [
                    models.VolumeMount(name="files", mount_path=_FILES, read_only=True),
                    models.VolumeMount(name="credentials", mount_path=_CREDENTIALS, read_only=True),
                    models.VolumeMount(name="authorities", mount_path=_AUTHORITIES, read_only=True),
                    scratch(),
                ],
            },
        )
    return template
