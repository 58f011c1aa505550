"""Nodes as GET /api/v1/nodes shows them (contract: What the command line and the console read)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from service.domain.cluster_objects import Node
from service.domain.job import JobType, NodePhase
from service.domain.label_selector import LabelSelector

#: What stands for a job that the caller may not see, and for whoever cordoned a node that no job did.
ANOTHER_JOB, A_PERSON = "another job", "a person"


@dataclass(frozen=True, slots=True)
class NodeQuery:
    """One request for nodes. `name` is a substring, in whatever case; `selector` reads the labels that are shown."""

    workspace: str = ""
    selector: LabelSelector | None = None
    name: str = ""
    limit: int = 100
    offset: int = 0

    def matches(self, node: Node, workspace: str, labels: Mapping[str, str]) -> bool:
        """Whether a node is asked for that belongs to the workspace and shows these labels."""
        return (
            self.workspace in ("", workspace)
            and self.name.casefold() in node.name
            and (self.selector is None or self.selector.matches(labels))
        )


@dataclass(frozen=True, slots=True)
class LastJobs:
    """The ids of the last job, and of the last preflight, that was planned on a node; empty: there is none."""

    job: str = ""
    preflight: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What is shown of a job beside a node, and who may see that."""

    job_id: str
    type: JobType
    cluster_id: str
    workspace_id: str
    user_id: str
    #: Those nodes of its plan that were asked for: their phase, and since when.
    nodes: Mapping[str, tuple[NodePhase, datetime]] = field(default_factory=dict)


def shown_labels(node: Node, allowed: Collection[str]) -> dict[str, str]:
    """Those of its labels that the chart lets every caller see."""
    return {key: value for key, value in sorted(node.labels.items()) if key in allowed}


def cordoned_by(node: Node) -> str:
    """A job's id, or a person; empty: the node takes pods."""
    if not node.unschedulable:
        return ""
    return node.worked_on_by or node.left_cordoned_by or A_PERSON
