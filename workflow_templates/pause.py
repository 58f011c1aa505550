"""Wait while the job is paused: what a job without a ledger asks before it begins a node (contract: Rollouts)."""

from workflow_templates import held_back, own_workflow
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import may_begin, node_state
from workflow_templates.protocol.may_begin import Control


def wait(cluster: Cluster, job: str, what: str) -> None:
    """As held_back.wait_while, for as long as the job is paused."""
    held_back.wait_while(lambda: _sentence(cluster, job), what)


def _sentence(cluster: Cluster, job: str) -> str:
    """Who paused the job, and why; empty: it is not paused. Where its Workflow is gone this pod soon is too."""
    paused = Control.of(node_state.annotations(own_workflow.read_metadata(cluster, job) or {})).paused
    return may_begin.paused_by(paused).sentence if paused else ""
