from collections.abc import Sequence

from service.domain import reboot_report
from service.domain.cluster_objects import Node
from service.domain.job import Job, Named, PlannedNode
from service.domain.job_types.traits import REPORT, Traits, counts
from service.domain.workflow import Workflow


class Reboot(Traits):
    has_rollout = True
    notes_at_leases = True
    reboots = True
    writes_node_events = True
    files = REPORT

    def unfit(self, node: Node, *, named: bool, tolerate_all: bool) -> list[str]:
        """Contract: reboot. That a node is NotReady, tainted or cordoned is often the reason."""
        del tolerate_all
        if node.control_plane and not named:
            return ["is a control-plane node, which is rebooted only when named with a node input"]
        return []

    def outputs(self, job: Job, workflow: Workflow, nodes: Sequence[PlannedNode]) -> tuple[Named, ...]:
        return (*counts(nodes), Named("report", reboot_report.report(job.plan, workflow, nodes)))


TRAITS = Reboot()
