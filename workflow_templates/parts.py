"""What the templates of all job types are made of."""

from typing import Any

from hera.workflows import Container, models

#: The chart puts the product image in the place of these.
IMAGE = "OPSJOBS_IMAGE"
PULL_POLICY = "OPSJOBS_IMAGE_PULL_POLICY"

#: What a job of a thousand nodes may ask of the scheduler at once.
TINY = models.ResourceRequirements(requests={"cpu": models.Quantity("10m"), "memory": models.Quantity("32Mi")})

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

#: For steps that may run anywhere alive: a toleration of NoExecute would let them onto a node that is going down.
TOLERATE_NOSCHEDULE = [models.Toleration(operator="Exists", effect="NoSchedule")]

#: A user that nobody else on a node is. Argo's executor, handed a signal, passes it on to every process it may signal
#: (kill -1); under hostPID and as root that is every process of the host (docs/decisions/0009).
_NOBODY_ELSE = 2_000_075_000

PRIVILEGED = models.SecurityContext(
    privileged=True, run_as_user=_NOBODY_ELSE, run_as_group=_NOBODY_ELSE, run_as_non_root=True
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


def scratch() -> Any:
    """A /tmp of the pod's own, under a read-only root."""
    return models.VolumeMount(name="scratch", mount_path="/tmp")  # noqa: S108  # the pod's own


def scratch_volume() -> Any:
    return models.Volume(name="scratch", empty_dir=models.EmptyDirVolumeSource())


#: For steps that only speak to the Kubernetes API.
RESTRICTED: dict[str, Any] = {
    "security_context": _UNPRIVILEGED,
    "resources": TINY,
    "volume_mounts": [scratch()],
    "tolerations": TOLERATE_NOSCHEDULE,
}


def job_id() -> str:
    """The job's id, wherever a step needs it: the Workflow is named by it."""
    return "{{workflow.name}}"


def container(**fields: Any) -> Container:
    """A step of the product image."""
    return Container(image=IMAGE, **fields)
