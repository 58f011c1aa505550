"""The pods of preflight's checks, as the service plans them and the runner makes them (docs/decisions/0031)."""

import hashlib
import re

#: Files of a job that its checks mount, in a ConfigMap of the checks' namespace; the request's own script is one.
FILES = ("entrypoint", "nodes", "peers")
#: Files of a job that its steps mount: what the request asks for, and the uid of that ConfigMap, which owns the pods.
REQUEST_FILE = "check.json"
OWNER_FILE = "owner"

#: The chart's headless Service, which gives every check a name that the others reach it by.
PEERS_SERVICE = "opsjob-peers"
#: Checks that one runner looks after, where a plan has more nodes than that; else each has a runner of its own.
GROUP_SIZE = 50
#: The input of a runner of several checks: "51 to 100", of the plan's nodes in their order, which begins with 1.
GROUP = "group"
#: The step that is a runner of several checks.
SHARED_STEP = "checks"
#: The output parameter in which a runner says how each of its checks ended, as JSON by node.
OUTCOMES = "outcomes"

_DIGITS = 12
_GROUP = re.compile(r"\d{1,9} to \d{1,9}")


def pod_name(job: str, node: str) -> str:
    """Made from job and node alone: a step that is repeated finds the pod that is there."""
    return f"{job}-{digest(node)}"


def peer(node: str, word: str) -> str:
    """The host name of the check on a node. `word` is of this job alone: a cache may still hold another job's names."""
    return f"{word}-{digest(node)}"


def groups(count: int) -> list[str]:
    """The groups of a plan of so many nodes, in order."""
    return [f"{first} to {min(first + GROUP_SIZE - 1, count)}" for first in range(1, count + 1, GROUP_SIZE)]


def is_group(text: str) -> bool:
    """Whether it is a group's name, which no node could have."""
    return _GROUP.fullmatch(text) is not None


def members(group: str, nodes: list[str]) -> list[str]:
    """The nodes of a group."""
    first, _, last = group.partition(" to ")
    return nodes[int(first) - 1 : int(last)]


def digest(text: str) -> str:
    """A short name for a longer text."""
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
