"""What a job of many reboots took, from its Workflow: the stages of each node, and what they come to."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.bench.figures import Amount, Figures
from workflow_templates.protocol import node_status

#: The steps of a node (docs/decisions/0048).
STAGES = ("begin", "reboot", "end")


def amounts(workflow: dict[str, Any], nodes: int, at_once: int, makespan: float) -> Iterator[Amount | Figures]:
    """Times of the nodes and their stages, and the whole against so many rounds of the slowest of them.

    Raises RuntimeError: a stage is missing.
    """
    stages = stage_seconds(workflow)
    for stage in STAGES:
        if len(stages[stage]) != nodes:
            raise RuntimeError(f"{len(stages[stage])} of {nodes} nodes have the stage {stage}")
        yield Figures(f"a node's {stage}", [seconds * 1000 for seconds in stages[stage]])
    yield Figures("a node, from its first pod to the end of its last", [s * 1000 for s in node_seconds(workflow)])
    rounds = math.ceil(nodes / at_once)
    theory = rounds * sum(max(stages[stage]) for stage in STAGES)
    yield Amount(f"{rounds} rounds of the slowest stages", theory, "s")
    yield Amount("from submission to the end against that", makespan / theory, "times")


def stage_seconds(workflow: dict[str, Any]) -> Mapping[str, Sequence[float]]:
    """Stage → how long each node was at it."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for entry in _entries(workflow):
        if entry["type"] == "Pod" and entry.get("templateName") in STAGES:
            found[entry["templateName"]].append(_seconds(entry))
    return found


def node_seconds(workflow: dict[str, Any]) -> Sequence[float]:
    """How long each node took, from its entry that stands for all three stages."""
    return [
        _seconds(entry) for entry in _entries(workflow) if (entry["type"], entry.get("templateName")) == ("DAG", "node")
    ]


def _entries(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return iter(node_status.entries(workflow).values())


def _seconds(entry: dict[str, Any]) -> float:
    begun, ended = (datetime.fromisoformat(entry[key]) for key in ("startedAt", "finishedAt"))
    return (ended - begun).total_seconds()
