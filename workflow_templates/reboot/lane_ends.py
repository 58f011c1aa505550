"""Which nodes of a rollout of reboots have ended, also those that could not note it in the ledger."""

from workflow_templates import ended_nodes, own_workflow
from workflow_templates.job_ledger import Ends
from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.protocol import exit_codes


def ended(found: Object) -> dict[str, str]:
    """Node → phase of its turn, where that is final."""
    return ended_nodes.final_phases(found, "DAG")


def failed(found: Object) -> set[str]:
    """The nodes whose turn failed, but for those that were not begun."""
    unbegun = {
        own_workflow.node_of(step)
        for step in own_workflow.steps(found)
        if step.get("templateName") == "begin"
        and (step.get("outputs") or {}).get("exitCode") == str(exit_codes.NOT_BEGUN)
    }
    return {node for node, phase in ended(found).items() if phase in ("Failed", "Error")} - unbegun


def of(cluster: Cluster, job: str) -> Ends:
    """By the Workflow."""
    return ended_nodes.EndedNodes(cluster, job, ended=ended, failed=failed)
