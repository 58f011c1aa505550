"""What the templates of all job types are made of."""

import json
from typing import Any

from hera.workflows import Container, Step, Steps, models

from workflow_templates.protocol import labels

#: The chart puts the product image in the place of these.
IMAGE = "OPSJOBS_IMAGE"
PULL_POLICY = "OPSJOBS_IMAGE_PULL_POLICY"

#: The chart puts the names in use in the place of these, and leaves out a template that holds them where the
#: installation has no object store.
_STORE_SECRET = "OPSJOBS_STORE_SECRET"  # noqa: S105 - a placeholder for a name
_STORE_AUTHORITY = "OPSJOBS_STORE_AUTHORITY"
#: A ConfigMap of the chart's.
_STORE_SETTINGS = "opsjobs-store"

STORE_PREFIX = "OPSJOBS_STORE_PREFIX"
#: yes or no: whether Argo can write to the store too. It takes an authority only from a Secret, we from a ConfigMap.
STORE_SHOWN = "OPSJOBS_STORE_SHOWN"
#: The store, as Argo reads it; a ConfigMap of the chart's.
STORE_OF_ARGO = models.ArtifactRepositoryRef(config_map="opsjobs-store-artifacts", key="store")

#: What a job of a thousand nodes may ask of the scheduler at once.
TINY = models.ResourceRequirements(requests={"cpu": models.Quantity("10m"), "memory": models.Quantity("32Mi")})

#: A step that must go to one node and no other fits on it though every other pod's requests fill it. As zeros, because
#: a LimitRange would put its own in the place of none.
NOTHING = models.ResourceRequirements(requests={"cpu": models.Quantity("0"), "memory": models.Quantity("0")})

#: Exactly the node of that name; a hostname label may differ from it.
NODE_PIN = models.Affinity(
    node_affinity=models.NodeAffinity(
        required_during_scheduling_ignored_during_execution=models.NodeSelector(
            node_selector_terms=[
                models.NodeSelectorTerm(
                    match_fields=[
                        models.NodeSelectorRequirement(
                            key="metadata.name", operator="In", values=["{{inputs.parameters.node}}"]
                        )
                    ]
                )
            ]
        )
    )
)

#: The plan has decided who is in (docs/decisions/0005); in the template, because Argo cannot merge it from the spec.
TOLERATE_EVERYTHING = [models.Toleration(operator="Exists")]

#: For steps that may run anywhere alive. Kubernetes has a pod that does not speak of the NoExecute taints of a node
#: that is down tolerate them for 300 s; one that tolerates NoSchedule too then goes to such a node, the emptiest of
#: all. With a value that these taints never have nothing of them is tolerated.
ANYWHERE_ALIVE = [
    models.Toleration(operator="Exists", effect="NoSchedule"),
    *(
        models.Toleration(key=f"node.kubernetes.io/{key}", operator="Equal", value="never", effect="NoExecute")
        for key in ("not-ready", "unreachable")
    ),
]

#: A user of no other process on a node. Argo's executor passes a signal that it gets on to every process it may signal
#: (kill -1); under hostPID and as root that is every process of the host (docs/decisions/0009).
_UNSHARED_USER = 2_000_075_000

PRIVILEGED = models.SecurityContext(
    privileged=True, run_as_user=_UNSHARED_USER, run_as_group=_UNSHARED_USER, run_as_non_root=True
)

_UNPRIVILEGED = models.SecurityContext(
    run_as_user=65532,
    run_as_group=65532,
    run_as_non_root=True,
    read_only_root_filesystem=True,
    allow_privilege_escalation=False,
    capabilities=models.Capabilities(drop=["ALL"]),
    seccomp_profile=models.SeccompProfile(type="RuntimeDefault"),
)

#: Of all of a job's pods, Argo's own containers among them. What their containers say for themselves is more.
POD_SECURITY = models.PodSecurityContext(seccomp_profile=models.SeccompProfile(type="RuntimeDefault"))

#: A step that works on the host of exactly the node of its input `node`.
ON_HOST: dict[str, Any] = {
    "affinity": NODE_PIN,
    "tolerations": TOLERATE_EVERYTHING,
    "pod_spec_patch": json.dumps({"hostPID": True}),
    "security_context": PRIVILEGED,
    "resources": NOTHING,
    "annotations": {
        # Argo would signal process 1, under hostPID the host's init. Its executor takes signals from this file too.
        f"{labels.ARGO_KILL_COMMAND}main": json.dumps(
            ["/bin/sh", "-c", "printf %%s %d > /var/run/argo/ctr/main/signal"]
        ),
        # The wait container ends by itself when main has ended.
        f"{labels.ARGO_KILL_COMMAND}wait": json.dumps(["argoexec", "version"]),
    },
}


def scratch() -> Any:
    """A /tmp of the pod's own, under a read-only root."""
    return models.VolumeMount(name="scratch", mount_path="/tmp")  # noqa: S108  # the pod's own


def scratch_volume() -> Any:
    return models.Volume(name="scratch", empty_dir=models.EmptyDirVolumeSource())


#: What a container needs for workflow_templates.object_store, and its template's volumes for that: settings by
#: environment, keys only as files.
STORE_ENV = [models.EnvFromSource(config_map_ref=models.ConfigMapEnvSource(name=_STORE_SETTINGS))]
STORE_MOUNTS = [
    models.VolumeMount(name="store-secret", mount_path="/etc/opsjobs-store/secret", read_only=True),
    models.VolumeMount(name="store-authority", mount_path="/etc/opsjobs-store/authority", read_only=True),
]
STORE_VOLUMES = [
    models.Volume(name="store-secret", secret=models.SecretVolumeSource(secret_name=_STORE_SECRET)),
    models.Volume(
        name="store-authority", config_map=models.ConfigMapVolumeSource(name=_STORE_AUTHORITY, optional=True)
    ),
]

#: For steps that only speak to the Kubernetes API.
RESTRICTED: dict[str, Any] = {
    "security_context": _UNPRIVILEGED,
    "resources": TINY,
    "volume_mounts": [scratch()],
    "tolerations": ANYWHERE_ALIVE,
}


def retry_strategy(cap_seconds: int, limit: int = 1_000_000) -> models.RetryStrategy:
    """For a step that can be repeated at any time.

    Exit code 1: it failed and said why; 2: it was called wrongly. All else (a lost pod, a node that went down, a wait)
    may become better.
    """
    return models.RetryStrategy(
        limit=limit,
        retry_policy="Always",
        expression="lastRetry.exitCode != '1' && lastRetry.exitCode != '2'",
        backoff=models.Backoff(duration="5s", factor=2, cap=f"{cap_seconds}s"),
    )


def job_id() -> str:
    """The job's id, wherever a step needs it: the Workflow is named by it."""
    return "{{workflow.name}}"


def pod_metadata() -> Any:
    """For the pods of all of a job's steps: whose they are, and how Argo signals its own container `wait` there.

    Argo would run /var/run/argo/argoexec in it, a file that the container main can replace, and `wait` holds the step's
    token. By its name alone, argoexec is the one of wait's own image.
    """
    return models.Metadata(
        labels={labels.JOB_ID: job_id()},
        annotations={f"{labels.ARGO_KILL_COMMAND}wait": json.dumps(["argoexec", "kill", "%d", "1"])},
    )


def container(**fields: Any) -> Container:
    """A step of the product image."""
    return Container(image=IMAGE, **fields)


def finish(clean_up: Container) -> None:
    """The exit handler `finish`: the step that gives back what the job's own could not.

    Argo 4.0.7 does not know an attempt of a retried container for a part of the exit handler: after the deadline it
    marks it Failed before it ran. Inside of steps it does.
    """
    with Steps(name="finish"):
        Step(name=clean_up.name, template=clean_up)
