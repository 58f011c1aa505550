"""What the pre-delete hook leaves behind: nothing."""

import secrets
from collections.abc import Iterator

import pytest

from service.kube.client import Api, KubeSettings
from service.kube.uninstall import release
from service.kube.workflows import Workflows
from tests.e2e.live import Cluster, wait_for
from tests.kube.conftest import WAITING_TEMPLATE, namespace, remove, waiting_template
from tests.kube.jobs import a_job
from tests.kube.test_nodes import lock_node, mark

pytestmark = pytest.mark.alone


@pytest.fixture
def installed(cluster: Cluster, settings: KubeSettings) -> Iterator[KubeSettings]:
    """An installation of its own, since all of it is taken down, at a time when nobody else has cordoned a node."""
    wait_for(
        "other tests to give their nodes back", lambda: "cordoned-by" not in cluster.kubectl("get", "nodes", "-oyaml")
    )
    made = settings.model_copy(update={"jobs_namespace": f"{settings.jobs_namespace}-{secrets.token_hex(4)}"})
    cluster.apply(namespace(made.jobs_namespace), waiting_template(made.jobs_namespace))
    yield made
    remove(cluster, made, made.jobs_namespace)


async def test_jobs_are_ended_and_lose_their_finalizers_and_nodes_are_given_back(
    api: Api, cluster: Cluster, installed: KubeSettings, ghost: str
) -> None:
    workflows, job, space = Workflows(api, installed), a_job(WAITING_TEMPLATE), installed.jobs_namespace
    await workflows.create_workflow(job)
    lock_node(cluster, installed, ghost, job.job_id)
    mark(cluster, ghost, job.job_id, "false")
    wait_for("the job to run", lambda: "Running" in str(cluster.get("workflow", job.job_id, "-n", space)))
    await release(api, installed, patience_seconds=60)
    ended = await workflows.workflow(job.job_id)
    assert ended
    assert ended["status"]["phase"] == "Failed"
    assert "finalizers" not in ended["metadata"]
    assert cluster.cordon_of(ghost) == (False, {})
    assert cluster.get("lease", f"node-{ghost}", "-n", space) is None
    assert cluster.get("workflowtemplate", WAITING_TEMPLATE, "-n", space) is None


async def test_an_installation_without_jobs_is_released_at_once(api: Api, installed: KubeSettings) -> None:
    await release(api, installed, patience_seconds=0)
    await release(api, installed, patience_seconds=0)
    assert [item async for item in api.list(Workflows(api, installed).workflows_path)] == []
