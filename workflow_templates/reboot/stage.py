"""What all stages of a reboot have in common: which node, and how they say how they ended.

Each stage can be run again at any time: its pod may be lost with the node it ran on, and Argo then makes another.
"""

import argparse
import re
from collections.abc import Callable
from datetime import datetime

from workflow_templates import held_back, locks, step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, Object, UnavailableError
from workflow_templates.protocol import exit_codes, node_state
from workflow_templates.reboot import events

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
    """Do a stage's work, which returns what it came to; the exit code for Argo, a sentence for people."""
    try:
        sentence = do()
    except (WaitError, held_back.EndedError, locks.HeldError, UnavailableError) as reason:
        step_output.write_termination_message(str(reason))
        return exit_codes.WAITING
    except (FailedError, ClusterError, locks.LostError, LookupError, OSError) as fault:
        step_output.write_termination_message(str(fault))
        failed(str(fault))
        return exit_codes.FAILED
    step_output.write_termination_message(sentence)
    return 0


def read(cluster: Cluster, node: str) -> Object:
    """Raises LookupError: there is no such node."""
    found = cluster.get(f"/api/v1/nodes/{node}")
    if found is None:
        raise LookupError(f"node {node} is gone from the cluster")
    return found


def control_plane_unfit(cluster: Cluster, node: str) -> str:
    """Why no node of the control plane is to go down now: another is not Ready; empty: all others are."""
    others = (
        found
        for found in cluster.list("/api/v1/nodes")
        if node_state.is_control_plane(found) and found["metadata"]["name"] != node
    )
    away = sorted(found["metadata"]["name"] for found in others if not node_state.is_ready(found))
    if not away:
        return ""
    return f"node {node} of the control plane waits until the others are Ready: {', '.join(away)} is not"


def is_boot_id(text: str) -> bool:
    return bool(_BOOT_ID.fullmatch(text))


def noted_boot_id(text: str) -> str:
    """An argument: without one nothing could be proven, and nothing is told or believed."""
    if not is_boot_id(text):
        raise argparse.ArgumentTypeError(f"no boot id was noted: {text!r}")
    return text


def heartbeat(cluster: Cluster, node: str) -> tuple[datetime | None, float]:
    """When its kubelet last renewed its Lease, by its host's own clock, and for how many seconds the Lease is good."""
    spec = (cluster.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node}") or {}).get(
        "spec"
    ) or {}
    renewed = spec.get("renewTime")
    return (datetime.fromisoformat(renewed) if renewed else None), float(spec.get("leaseDurationSeconds") or 0)
