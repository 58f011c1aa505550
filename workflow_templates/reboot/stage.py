"""What all stages of a reboot have in common: which node, and how they say how they ended.

Each stage can be run again at any time: its pod may be lost with the node it ran on, and Argo then makes another.
"""

import argparse
from collections.abc import Callable

from workflow_templates import lease, say
from workflow_templates.cluster import Cluster, ClusterError, Object, UnavailableError

#: Argo tries a stage again however its pod ended, but for this: the reboot failed, and why was said.
EXIT_FAILED = 1
#: Not now; tried again later, and until then the node is shown as waiting.
EXIT_WAITING = 75


class WaitError(Exception):
    """Something holds the node up; the message says what."""


class FailedError(Exception):
    """This node's reboot has failed, and the job with it; the message says why."""


def parser(description: str | None) -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--job", required=True)
    arguments.add_argument("--node", required=True)
    return arguments


def end(do: Callable[[], str]) -> int:
    """Do a stage's work, which answers what it came to; the exit code for Argo, a sentence for people."""
    try:
        sentence = do()
    except (WaitError, lease.HeldError, UnavailableError) as reason:
        say.last_word(str(reason))
        return EXIT_WAITING
    except (FailedError, ClusterError, LookupError, OSError) as fault:
        say.last_word(str(fault))
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


def is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
