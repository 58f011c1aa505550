"""What all stages of a reboot have in common: which node, and how they say how they ended.

Each stage can be run again at any time: its pod may be lost with the node it ran on, and Argo then makes another.
"""

import argparse
import re
from collections.abc import Callable
from datetime import datetime

from workflow_templates import lease, say
from workflow_templates.cluster import Cluster, ClusterError, Object, UnavailableError
from workflow_templates.reboot import events

#: Argo tries a stage again however its pod ended, but for this: the reboot failed, and why was said.
EXIT_FAILED = 1
#: Not now; tried again later, and until then the node is shown as waiting.
EXIT_WAITING = 75


#: The kernel's is a UUID; whatever a node reports travels through Argo's arguments.
_BOOT_ID = re.compile(r"[0-9A-Za-z-]{8,64}")


class WaitError(Exception):
    """Something holds the node up; the message says what."""


class FailedError(Exception):
    """This node's reboot has failed, and the job with it; the message says why."""


def parser(description: str | None) -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--job", required=True)
    arguments.add_argument("--node", required=True)
    return arguments


def run(cluster: Cluster, arguments: argparse.Namespace, do: Callable[[], str]) -> int:
    """A stage that decides: where it fails, so has the reboot of its node, and the node's events say so."""
    return end(do, lambda why: events.failed(cluster, arguments.node, arguments.job, why))


def end(do: Callable[[], str], failed: Callable[[str], None] = lambda _: None) -> int:
    """Do a stage's work, which answers what it came to; the exit code for Argo, a sentence for people."""
    try:
        sentence = do()
    except (WaitError, lease.HeldError, UnavailableError) as reason:
        say.last_word(str(reason))
        return EXIT_WAITING
    except (FailedError, ClusterError, LookupError, OSError) as fault:
        say.last_word(str(fault))
        failed(str(fault))
        return EXIT_FAILED
    say.last_word(sentence)
    return 0


def read(cluster: Cluster, node: str) -> Object:
    """Raises LookupError: there is no such node."""
    found = cluster.get(f"/api/v1/nodes/{node}")
    if found is None:
        raise LookupError(f"node {node} is gone from the cluster")
    return found


def boot_id(node: Object) -> str:
    """What the kernel calls this run of itself, as the kubelet last reported it."""
    return str(((node.get("status") or {}).get("nodeInfo") or {}).get("bootID") or "")


def is_boot_id(text: str) -> bool:
    return bool(_BOOT_ID.fullmatch(text))


def noted_boot_id(text: str) -> str:
    """An argument: without one nothing could be proven, and nothing is told or believed."""
    if not is_boot_id(text):
        raise argparse.ArgumentTypeError(f"no boot id was noted: {text!r}")
    return text


def is_ready(node: Object) -> bool:
    return _ready(node) == "True"


def is_silent(node: Object) -> bool:
    """Whether Kubernetes has not heard of its kubelet for so long that it calls it Unknown; one not Ready speaks."""
    return _ready(node) not in ("True", "False")


def heartbeat(cluster: Cluster, node: str) -> tuple[datetime | None, float]:
    """When its kubelet last renewed its Lease, by its host's own clock, and for how many seconds the Lease is good."""
    spec = (cluster.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}") or {}).get(
        "spec"
    ) or {}
    renewed = spec.get("renewTime")
    return (datetime.fromisoformat(renewed) if renewed else None), float(spec.get("leaseDurationSeconds") or 0)


def _ready(node: Object) -> str:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return next((str(condition["status"]) for condition in conditions if condition["type"] == "Ready"), "Unknown")
