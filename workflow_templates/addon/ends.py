"""Which nodes of an addon job have ended, also those whose pods were lost before they could note it in the ledger."""

from workflow_templates import ended_nodes
from workflow_templates.addon import failure_limit
from workflow_templates.job_ledger import Ends
from workflow_templates.kubernetes_api import Cluster, Object


def entries(found: Object) -> dict[str, str]:
    """Node → phase of Argo's entry that stands for all attempts at it, where that is final."""
    return ended_nodes.final_phases(found, "Retry")


def of(cluster: Cluster, job: str) -> Ends:
    """By the Workflow, and by the pods, which know of a failure before it."""
    by_workflow = ended_nodes.EndedNodes(cluster, job, ended=entries, failed=failure_limit.failed_entries)

    def seen() -> tuple[frozenset[str], frozenset[str]]:
        ended, failed = by_workflow()
        failed |= failure_limit.failed_so_far(cluster, job)
        return ended | failed, failed

    return seen
