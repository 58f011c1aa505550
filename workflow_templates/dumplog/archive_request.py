"""What the job is to collect, as it was resolved at submission (service/jobs/prepare_dumplog.py writes it)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    namespace: str
    #: The oldest first.
    pods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequestedNodes:
    """The nodes whose own logs are wanted; none where the option is off."""

    #: A step was planned on each of these.
    names: tuple[str, ...] = ()
    #: Node → why no step was.
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArchiveRequest:
    workloads: tuple[Workload, ...]
    #: Only pods on these nodes; empty: wherever they are.
    nodes: frozenset[str]
    excluded_nodes: frozenset[str]
    #: How pods were looked for; the message where there are none has it.
    looked_for: str
    node_logs: RequestedNodes = RequestedNodes()

    @classmethod
    def read(cls, file: Path) -> "ArchiveRequest":
        found = json.loads(file.read_text(encoding="utf-8"))
        nodes = found.get("nodeLogs") or {"nodes": (), "leftOut": {}}
        return cls(
            workloads=tuple(
                Workload(item["name"], item["namespace"], tuple(item["pods"])) for item in found["workloads"]
            ),
            nodes=frozenset(found["nodes"]),
            excluded_nodes=frozenset(found["excludedNodes"]),
            looked_for=found["lookedFor"],
            node_logs=RequestedNodes(tuple(nodes["nodes"]), nodes["leftOut"]),
        )

    @property
    def name(self) -> str:
        """What the workloads are called in a key: names of Kubernetes have no underscore."""
        others = len(self.workloads) - 1
        return self.workloads[0].name + (f"_and_{others}_more" if others else "")

    @property
    def pods(self) -> list[tuple[str, str]]:
        """Namespace and name of each pod, once; workloads may share some."""
        found = ((workload.namespace, pod) for workload in self.workloads for pod in workload.pods)
        return list(dict.fromkeys(found))

    def leaves_out(self, node: str) -> str:
        """Why a pod on that node is not wanted; empty: it is. A pod on no node yet has no log to leave out."""
        if node in self.excluded_nodes:
            return f"is on node {node}, which is in excludedNodes"
        if self.nodes and node not in self.nodes:
            return f"is on node {node}, which no node input names" if node else "is on no node yet"
        return ""
