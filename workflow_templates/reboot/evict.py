"""Have every pod leave the node by the eviction API, so that PodDisruptionBudgets are respected."""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from workflow_templates import busy_pods, locks, step_output
from workflow_templates.kubernetes_api import Cluster, ConflictError, EvictionError, Object
from workflow_templates.protocol import cordon_patches, node_state
from workflow_templates.reboot import attached_volumes, stage

_LOOK_SECONDS = 1.0
#: After so long in vain the step ends and is tried again: one that waits in Argo says for what, one that runs cannot.
_BLOCKED_SECONDS = 3.0
#: Pods that are on their way out get longer.
_LEAVING_SECONDS = 45.0
#: That the API is away is to be seen by people soon.
PATIENCE_SECONDS = 20.0
#: So long beyond its grace a pod may take to end on a node that is not Ready.
_NOT_READY_SECONDS = 10.0
#: Longer lists do not help in one sentence.
_NAMED = 3


@dataclass(slots=True)
class Eviction:
    """The emptying of one node, over all attempts at it."""

    job: str
    node: str
    #: Since when the node is cordoned, by the clock of the Kubernetes API, and how long after that it must be empty.
    since: datetime
    seconds: float
    unmanaged: bool
    empty_dir: bool
    #: Namespaces whose pods stay: what runs this very job goes down and comes back with the node (docs/decisions/0011).
    kept: frozenset[str]
    #: `namespace/name` of the pods that this attempt had leave.
    evicted: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)

    def overdue(self, now: datetime) -> bool:
        return (now - self.since).total_seconds() > self.seconds

    @property
    def seconds_at_it(self) -> float:
        return time.monotonic() - self.begun


def main() -> int:
    parser = stage.parser(__doc__)
    add_arguments(parser)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    cluster = Cluster.in_pod()
    cluster.patience = PATIENCE_SECONDS
    evicted: list[str] = []

    def evict_all() -> str:
        since = cordoned_since(cluster, arguments.node, arguments.job)
        return empty(cluster, eviction(arguments, since, arguments.seconds, evicted))

    try:
        return stage.run(cluster, arguments, evict_all)
    finally:
        arguments.output.write_text(json.dumps(evicted))


def cordoned_since(cluster: Cluster, node: str, job: str) -> datetime:
    """As it is noted at the node lock. Raises LostError: this job has not locked the node."""
    lock = locks.own(cluster, node, job)
    noted = cordon_patches.noted(lock) if lock else None
    if noted is None:
        raise locks.LostError(f"node {node} is no longer locked by job {job}")
    return noted.at


def empty(cluster: Cluster, eviction: Eviction) -> str:
    """Evict until no pod is left that must go, and no volume of theirs is attached.

    Raises:
        WaitError: something is in the way, and there is time left.
        FailedError: time is up, or the chart's values forbid to evict a pod that is there; the node was not rebooted.
    """
    while pods := _to_go(cluster, eviction):
        _refuse(pods, eviction)
        in_the_way = {_name(pod): why for pod in pods if (why := _evict(cluster, pod, eviction))}
        blocked = [f"pod {name} cannot be evicted: {why}" for name, why in in_the_way.items()]
        leaving = [f"pod {_name(pod)} has not ended yet" for pod in pods if _name(pod) not in in_the_way]
        _give_up_or_wait(blocked, leaving, eviction, cluster.now())
        time.sleep(_LOOK_SECONDS)
    while attached := attached_volumes.attached(cluster, eviction.node):
        _give_up_or_wait([], attached, eviction, cluster.now())
        time.sleep(_LOOK_SECONDS)
    return f"node {eviction.node} is empty"


def _to_go(cluster: Cluster, eviction: Eviction) -> list[Object]:
    """DaemonSet, mirror and finished pods and those of the job itself stay.

    A silent kubelet does not confirm that a pod has ended: it is not waited for. One that speaks and is not
    Ready is, but it may lack what it takes to end a pod (a network, say), which is what the reboot is to mend.
    """
    selector = f"spec.nodeName={eviction.node},status.phase!=Succeeded,status.phase!=Failed"
    pods = cluster.list("/api/v1/pods", fieldSelector=selector)
    found = [pod for pod in pods if busy_pods.is_workload(pod, eviction.job, cluster.namespace, eviction.kept)]
    if any(map(_leaving, found)):
        node = stage.read(cluster, eviction.node)
        found = [pod for pod in found if not (_leaving(pod) and _given_up(pod, node, cluster.now()))]
    return found


def _given_up(pod: Object, node: Object, now: datetime) -> bool:
    if node_state.is_ready(node):
        return False
    # Kubernetes notes when its grace ends, not when it was deleted.
    grace_ends = datetime.fromisoformat(pod["metadata"]["deletionTimestamp"])
    return node_state.is_silent(node) or (now - grace_ends).total_seconds() > _NOT_READY_SECONDS


def _refuse(pods: Iterable[Object], eviction: Eviction) -> None:
    """Before any pod is evicted: what the chart's values protect."""
    faults = []
    for pod in pods:
        if _leaving(pod):
            continue
        owners = pod["metadata"].get("ownerReferences") or ()
        if not eviction.unmanaged and not any(owner.get("controller") for owner in owners):
            faults.append(f"pod {_name(pod)} has no controller that would make it again (reboot.evictUnmanaged)")
        elif not eviction.empty_dir and any("emptyDir" in volume for volume in pod["spec"].get("volumes") or ()):
            faults.append(f"pod {_name(pod)} would lose its emptyDir (reboot.deleteEmptyDirData)")
    if faults:
        raise stage.FailedError(f"node {eviction.node} was not rebooted: {_listed(faults)}")


def _evict(cluster: Cluster, pod: Object, eviction: Eviction) -> str:
    """Why the pod does not leave; empty: it does."""
    if _leaving(pod):
        return ""
    try:
        cluster.evict(pod)
    except EvictionError as reason:
        return str(reason)
    except ConflictError:
        return ""  # another pod of that name by now, or its budget was being counted: next time
    step_output.log(f"evicted pod {_name(pod)}")
    eviction.evicted.append(_name(pod))
    return ""


def _give_up_or_wait(blocked: list[str], leaving: list[str], eviction: Eviction, now: datetime) -> None:
    if eviction.overdue(now):
        limit = f"after {eviction.seconds:.0f} s"
        raise stage.FailedError(f"node {eviction.node} was not rebooted: {limit} {_listed(blocked or leaving)}")
    if eviction.seconds_at_it > (_BLOCKED_SECONDS if blocked and not leaving else _LEAVING_SECONDS):
        raise stage.WaitError(_listed(blocked or leaving))


def _leaving(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _name(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _listed(sentences: list[str]) -> str:
    more = len(sentences) - _NAMED
    return "; ".join(sentences[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What the chart's values say of who must go."""
    parser.add_argument("--unmanaged", type=_flag, required=True)
    parser.add_argument("--empty-dir", type=_flag, required=True)
    parser.add_argument("--kept", type=lambda text: frozenset(text.split(",")), required=True)
    parser.add_argument("--output", type=Path, default=Path("/tmp/evicted.json"))  # noqa: S108 - the pod's own


def eviction(arguments: argparse.Namespace, since: datetime, seconds: float, evicted: list[str]) -> Eviction:
    """The eviction of the step's arguments, which notes in `evicted` whom it has leave."""
    given = {key: vars(arguments)[key] for key in ("job", "node", "unmanaged", "empty_dir", "kept")}
    return Eviction(since=since, seconds=seconds, evicted=evicted, **given)


def _flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


if __name__ == "__main__":
    sys.exit(main())
