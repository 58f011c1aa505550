"""Node locks: one Lease per node across all job types, what is noted at it, and when it is free again.

A lock outlives its job until the job's work on the node has ended (docs/decisions/0041). That is so when the kubelet
reports the end of the job's pod, the node has another boot id, the Node object is gone, or a person deleted the Lease.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from workflow_templates.protocol import labels, node_state, pod_reasons
from workflow_templates.protocol.node_state import Object

#: What the names of these Leases begin with.
PREFIX = "node-"
#: The Lease of the job that reboots a node of the control plane: one at a time.
CONTROL_PLANE = "control-plane-reboot"

#: From the signal until a node that still lives is taken to have nothing pending: ten seconds of the chart's command,
#: and as long as systemd lets units take to stop.
PENDING_SECONDS = 120.0
#: A node that went down may be called Ready for so long afterwards (Kubernetes' node-monitor-grace-period is 50 s).
_SEEMS_READY_SECONDS = 60.0
#: Of notes from before they held it: the chart's default.
_COME_BACK_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Work:
    """That a job has begun scripts on a node, which end with that boot at the latest."""

    job: str
    boot_id: str

    def text(self) -> str:
        return json.dumps({"job": self.job, "bootId": self.boot_id})


@dataclass(frozen=True, slots=True)
class RebootNote:
    """That a node's host was told to reboot. No note, no signal: it is made before the command is run."""

    #: By the clock of the Kubernetes API.
    at: datetime
    #: The boot that is to end.
    boot_id: str
    #: The kubelet's last sign of life before that, by the clock of its own host; None: it had given none.
    heartbeat: datetime | None
    #: How long after `at` the node must be back and Ready.
    come_back_seconds: float = _COME_BACK_SECONDS

    def text(self) -> str:
        heartbeat = self.heartbeat and self.heartbeat.isoformat()
        return json.dumps(
            {
                "at": self.at.isoformat(),
                "bootId": self.boot_id,
                "heartbeat": heartbeat,
                "comeBackSeconds": self.come_back_seconds,
            }
        )

    def seconds_ago(self, now: datetime) -> float:
        return (now - self.at).total_seconds()


def name(node: str) -> str:
    """Of the node's Lease."""
    return f"{PREFIX}{node}"


def node_of(lock: Object) -> str | None:
    """The node that a Lease locks; None: it is no node lock."""
    found: str = lock["metadata"]["name"]
    return found.removeprefix(PREFIX) if found.startswith(PREFIX) else None


def holder(lock: Object) -> str:
    """The job that has it; empty: none."""
    return str((lock.get("spec") or {}).get("holderIdentity") or "")


def turn_of(turn: Object) -> str:
    """The node of the control plane whose reboot it is the turn of."""
    return node_state.annotations(turn).get(labels.NODE, "")


def new(lease: str, job: str, at: datetime) -> Object:
    """A Lease of that name for this job."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": lease, "labels": {labels.JOB_ID: job}},
        "spec": {"holderIdentity": job, "acquireTime": _micro_time(at)},
    }


def taking_over(lock: Object, job: str, at: datetime, *, but_for: str = "") -> Object:
    """The merge patch that makes a Lease this job's, without what the job before had noted at it, but for one note."""
    cleared = [key for key in node_state.annotations(lock) if key.startswith("opsjob.io/") and key != but_for]
    return {
        "metadata": {"labels": {labels.JOB_ID: job}, "annotations": dict.fromkeys(cleared)},
        "spec": {"holderIdentity": job, "acquireTime": _micro_time(at)},
    }


def noting_over(lock: Object) -> Object | None:
    """The merge patch that lets another job take over a lock whose job is over; None: it says so already.

    Only that job's own clean-up and the service write it, and admission lets no step take over a lock without it: the
    token of one job's step reaches the lock of no job that goes on.
    """
    return None if is_over(lock) else {"metadata": {"annotations": {labels.JOB_OVER: holder(lock)}}}


def is_over(lock: Object) -> bool:
    """Whether it says that its job is over."""
    return node_state.annotations(lock).get(labels.JOB_OVER) == holder(lock) != ""


def work(lock: Object) -> Work | None:
    """The scripts that were begun under a lock; None: none were."""
    text = node_state.annotations(lock).get(labels.WORK_BEGUN)
    if not text:
        return None
    noted = json.loads(text)
    return Work(noted["job"], noted["bootId"])


def reboot_note(lock: Object) -> RebootNote | None:
    """The reboot that is noted at a lock; None: there is none, or it is over."""
    text = node_state.annotations(lock).get(labels.TOLD_TO_REBOOT)
    if not text:
        return None
    noted = json.loads(text)
    heartbeat = noted["heartbeat"] and datetime.fromisoformat(noted["heartbeat"])
    seconds = float(noted.get("comeBackSeconds") or _COME_BACK_SECONDS)
    return RebootNote(datetime.fromisoformat(noted["at"]), noted["bootId"], heartbeat or None, seconds)


def reboot_pending(lock: Object, node: Object | None, now: datetime) -> str:
    """Why the lock of a job that is over stays, by the reboot that the job began; empty: nothing is pending."""
    noted = reboot_note(lock)
    if noted is None or _is_back(noted, node) or noted.seconds_ago(now) > noted.come_back_seconds:
        return ""
    if node and node_state.is_ready(node) and noted.seconds_ago(now) > PENDING_SECONDS + _SEEMS_READY_SECONDS:
        return ""  # it lives on with its old boot
    return "the reboot that it began is pending"


def not_back(lock: Object, node: Object, now: datetime) -> str:
    """Why a node whose reboot is over is to stay cordoned; empty: it is not."""
    noted = reboot_note(lock)
    if noted is None or _is_back(noted, node) or noted.seconds_ago(now) <= noted.come_back_seconds:
        return ""
    limit = f"{noted.come_back_seconds:.0f} s"
    if node_state.boot_id(node) not in ("", noted.boot_id):
        return f"the node came back with boot id {node_state.boot_id(node)}, but is not Ready after {limit}"
    return "" if node_state.is_ready(node) else f"the node went away and did not come back within {limit}"


def work_unfinished(lock: Object, node: Object | None, pods: Iterable[Object] | None) -> str:
    """Why the lock of a job that is over stays, by the scripts that the job began; empty: they have ended.

    Args:
        lock: The node's Lease.
        node: The Node object; None: it is gone.
        pods: The pods of the job that began them on that node; None: the caller may not see them, and waits for the
            job's clean-up or the service, which may.
    """
    begun = work(lock)
    if begun is None or node is None or node_state.boot_id(node) not in ("", begun.boot_id):
        return ""
    if pods is None:
        return "whether its scripts have ended is not known yet"
    found = list(pods)
    if any(not has_ended(pod) for pod in found):
        return "its pod has not ended, or the kubelet has not reported so"
    if not found and not node_state.is_ready(node):
        # What was marked Failed by the service is deleted without the kubelet; one that lives ends such containers.
        return "its pod is gone, and the kubelet does not report that its containers have ended"
    return ""


def has_ended(pod: Object) -> bool:
    """Whether no container of it runs, by the kubelet's word.

    The service marks pods of a silent node Failed; what their containers do is not known before the kubelet reports it.
    """
    status = pod.get("status") or {}
    if status.get("phase") not in ("Succeeded", "Failed"):
        return False
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    states = [container.get("state") or {} for container in containers]
    if status.get("reason") == pod_reasons.NODE_LOST:
        return bool(states) and all("terminated" in state for state in states)
    return not any("running" in state for state in states)


def _is_back(noted: RebootNote, node: Object | None) -> bool:
    return bool(node and node_state.boot_id(node) not in ("", noted.boot_id) and node_state.is_ready(node))


def _micro_time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
