"""What the domain knows of the cluster: plain values that the Kubernetes adapter fills."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Taint:
    key: str
    effect: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as a plan sees it. `taints` without node.kubernetes.io/unschedulable, which `cordoned` says."""

    name: str
    ready: bool = True
    #: By another than a job, or before a job did.
    cordoned: bool = False
    taints: tuple[Taint, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    control_plane: bool = False
    #: The job that has locked it or cordoned it; empty: none has.
    worked_on_by: str = ""
    #: Whether it takes no new pods, whoever said so.
    unschedulable: bool = False
    #: The job that left it cordoned at its end; empty: none did.
    left_cordoned_by: str = ""
    #: Whether each of its container runtimes can mount a directory read-only with all that is mounted below it.
    recursive_read_only: bool = False

    def out_of_service(self, of_job: str = "") -> str:
        """Why it is out of service for any other than that job; empty: it is not (contract: Rollouts)."""
        if not self.ready:
            return "is NotReady"
        if self.worked_on_by not in ("", of_job):
            return f"job {self.worked_on_by} works on it"
        return "is cordoned" if self.cordoned else ""


@dataclass(frozen=True, slots=True)
class AddonTemplate:
    """One addon as it is snapshotted at submission (AddonTemplate, opsjob.io/v1alpha1)."""

    name: str
    script: str
    description: str = ""
    check: str | None = None
    required: bool = True
    gpu_vendor: str | None = None
    shell: str = "/bin/sh"
    timeout_second: int | None = None


@dataclass(frozen=True, slots=True)
class NodeTemplate:
    """Addon templates by name, in the order in which they run (NodeTemplate, opsjob.io/v1alpha1)."""

    name: str
    addon_templates: tuple[str, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace: the namespace that is labelled with its id, and (through the same label) its nodes."""

    id: str
    #: More than one: it is not known which of them is the workspace's, and no new job is accepted there.
    namespaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload found by name: where it lives, the nodes its pods run on, its pods (finished ones included)."""

    name: str
    namespace: str
    workspace_id: str
    nodes: frozenset[str]
    #: Names, the oldest pod first.
    pods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Container:
    """One of a pod's containers: the image as its spec names it, and as the node names what it really ran."""

    name: str
    image: str
    #: Empty: it has not been started yet, and `waits_for` says why where the node does.
    image_id: str = ""
    waits_for: str = ""
    #: The container runtime of its node (containerd, cri-o, docker), from the container's id; empty: it has none yet.
    runtime: str = ""


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as an export sees it."""

    name: str
    namespace: str
    containers: tuple[Container, ...]
    init_containers: tuple[Container, ...] = ()
    #: Names of the Secrets its images are pulled with; Kubernetes writes those of its ServiceAccount in, too.
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as TokenReview answered."""

    user_id: str
    user_name: str
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
