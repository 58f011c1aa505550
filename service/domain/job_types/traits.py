"""What a job type may do differently from others. The defaults are what most do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from service.domain.cluster_objects import Node
from service.domain.job import Job, Named, NodePhase, PlannedNode
from service.domain.workflow import NOTE, Workflow

_REPELLING = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that a job left behind (contract: GET /{id}/outputs/{name})."""

    file_name: str
    media_type: str
    #: The output of the job that is it, or names where it is.
    output: str
    #: It is in the object store, with that at the end of its address in the place of what the output's ends with; None:
    #: the output itself is the text.
    ending: tuple[str, str] | None = None


#: Of a type whose report is an output.
REPORT = {"report": OutputFile("report.json", "application/json", "report")}


class Traits:
    """Each job type has one instance of a class of its own; service/domain/job_types/registry.py has them all."""

    #: It works on nodes. Others work on a workload's pods or image through APIs; no node is touched.
    works_on_nodes: ClassVar[bool] = True
    #: Whether its steps write Kubernetes Events of their nodes, so that the service does not.
    writes_node_events: ClassVar[bool] = False
    #: It has a rollout, where the request says so, and can be paused and retried (contract: Rollouts).
    has_rollout: ClassVar[bool] = False
    #: What it reads on behalf of its caller, who must have the right to `get` it: pods, pods/log.
    reads: ClassVar[str] = ""
    #: The output that only those see who may read what is behind it; empty: whoever sees the job sees all.
    guarded_output: ClassVar[str] = ""
    #: The chart's value without which it is not installed.
    needed_value: ClassVar[str] = ""
    #: Nodes are taken that a check has marked unhealthy.
    takes_unhealthy: ClassVar[bool] = False
    #: Its steps note at Leases what its Workflow does not show, with or without a rollout.
    notes_at_leases: ClassVar[bool] = False
    #: Without a rollout it succeeds by `availableRatio`, whatever became of a clean-up step.
    goes_by_ratio: ClassVar[bool] = False
    #: It runs addon templates, each of which may have nothing to do.
    runs_addon_templates: ClassVar[bool] = False
    #: One failed node fails it, and each is named.
    fails_with_a_node: ClassVar[bool] = False
    #: A node that succeeded was rebooted.
    reboots: ClassVar[bool] = False
    #: A step of its clean-up writes a report, the output of that name.
    writes_report: ClassVar[bool] = False

    #: The inputs that say what it runs or reads.
    subject_inputs: ClassVar[tuple[str, ...]] = ()

    #: Files that its jobs may leave behind, by their names in the API.
    files: ClassVar[Mapping[str, OutputFile]] = {}

    def subject(self, job: Job) -> str:
        """What it runs or reads, for who looks down a list of jobs; empty: its type says it all."""
        return ", ".join(item.value for item in job.inputs if item.name in self.subject_inputs)

    def unfit(self, node: Node, *, named: bool, tolerate_all: bool) -> list[str]:
        """Why a selected node is left out all the same (contract: NotReady, tainted or cordoned nodes).

        `named`: a node input names it.
        """
        del named
        # A node that is on its way through another job's work waits for that, and is looked at again once it is locked.
        reasons = [] if node.ready or node.worked_on_by else ["is NotReady"]
        if not tolerate_all:
            if node.cordoned:
                reasons.append("is cordoned (isTolerateAll would take it)")
            taints = [str(taint) for taint in node.taints if taint.effect in _REPELLING]
            # Kubernetes taints a NotReady node by itself: that says nothing new.
            if taints and node.ready:
                reasons.append(f"is tainted {', '.join(taints)} (isTolerateAll would take it)")
        return reasons

    def pods_at_once(self, options: Mapping[str, Any]) -> int:
        """How many pods its Workflow has at a time, by the request's options; 0: as many as its template says."""
        del options
        return 0

    def shown(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a job in the API that only this type has, with the defaults they ran with."""
        del options
        return {}

    def outputs(self, job: Job, workflow: Workflow, nodes: Sequence[PlannedNode]) -> tuple[Named, ...]:
        """What the type promises when a job ends: by default its Workflow's global output parameters.

        A step that failed left these empty; its note is for the last condition (service/domain/verdict.py).
        """
        del job, nodes
        return tuple(Named(name, value) for name, value in workflow.outputs if value and name != NOTE)


def counts(nodes: Sequence[PlannedNode]) -> tuple[Named, ...]:
    """The outputs of types that count their nodes."""
    phases = (NodePhase.SUCCEEDED, NodePhase.FAILED, NodePhase.SKIPPED)
    return tuple(Named(phase.lower(), str(sum(node.phase is phase for node in nodes))) for phase in phases)
