"""What a job's steps note at Leases that carry its id: its ledger, and what is going on at each node it has locked."""

from service.domain.rollout_progress import StepNotes
from service.kube.client import Api, KubeSettings
from workflow_templates.protocol import labels, ledger, node_lock, node_state
from workflow_templates.protocol.api_path import api_path


async def read(api: Api, settings: KubeSettings, job_id: str) -> StepNotes:
    leases = api_path("coordination.k8s.io/v1", "leases", namespace=settings.jobs_namespace)
    letters, stages, at_work = "", {}, set()
    async for lease in api.list(leases, {"labelSelector": f"{labels.JOB_ID}={job_id}"}):
        noted = node_state.annotations(lease)
        if lease["metadata"]["name"] == ledger.name(job_id):
            letters = noted.get(labels.LEDGER, "")
        elif node := node_lock.node_of(lease):
            if noted.get(labels.STAGE):
                stages[node] = noted[labels.STAGE]
            if labels.WAITS_CORDONED not in noted:
                at_work.add(node)
    return StepNotes(letters, stages, at_work=frozenset(at_work))
