"""The adapter against the real apiserver, in namespaces of its own and on nodes that exist only as objects."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from service.kube.client import Api, KubeSettings, connect
from service.kube.workflows import Workflows
from tests.e2e.live import Cluster

#: Waits for ever and needs no pod.
WAITING_TEMPLATE = "opsjob-addon-00000000"
#: Argo leaves Workflows of another controller alone, so that a test alone decides what they look like.
NOBODYS = {"workflows.argoproj.io/controller-instanceid": "nobody"}


@pytest.fixture(scope="session")
def settings(cluster: Cluster) -> Iterator[KubeSettings]:
    """Three namespaces, gone with the session."""
    suffix = secrets.token_hex(3)
    made = KubeSettings(
        namespace=f"kubetest-{suffix}",
        jobs_namespace=f"kubetest-{suffix}-jobs",
        checks_namespace=f"kubetest-{suffix}-checks",
        workspace_label=f"kubetest-{suffix}/workspace",
        workload_labels=("kubetest/workload",),
        kubeconfig=cluster.facts["kubeconfig"],
    )
    cluster.apply(namespace(made.namespace, **{made.workspace_label: "team-a"}))
    cluster.apply(namespace(made.checks_namespace))
    cluster.apply(namespace(made.jobs_namespace), waiting_template(made.jobs_namespace))
    yield made
    remove(cluster, made, made.jobs_namespace)
    remove(cluster, made, made.namespace)
    cluster.kubectl("delete", "namespace", made.checks_namespace, "--wait=false")


def namespace(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def waiting_template(space: str) -> dict[str, Any]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTemplate",
        "metadata": {"name": WAITING_TEMPLATE, "namespace": space},
        "spec": {"entrypoint": "wait", "templates": [{"name": "wait", "suspend": {}}]},
    }


def remove(cluster: Cluster, settings: KubeSettings, space: str) -> None:
    """A namespace with all its Workflows, which finalizers would keep."""
    asyncio.run(_free_workflows(settings.model_copy(update={"jobs_namespace": space})))
    cluster.kubectl("delete", "namespace", space, "--wait=false")


async def _free_workflows(settings: KubeSettings) -> None:
    api = await connect(settings)
    path = Workflows(api, settings).workflows_path
    names = [item["metadata"]["name"] async for item in api.list(path, metadata=True)]
    busy = asyncio.Semaphore(20)

    async def free(name: str) -> None:
        async with busy:
            await api.patch(f"{path}/{name}", {"metadata": {"finalizers": None}})

    await asyncio.gather(*(free(name) for name in names))
    await api.close()


@pytest.fixture
async def api(settings: KubeSettings) -> AsyncIterator[Api]:
    connected = await connect(settings)
    yield connected
    await connected.close()


@pytest.fixture
def workflows(api: Api, settings: KubeSettings) -> Workflows:
    return Workflows(api, settings)


@pytest.fixture
def ghost(cluster: Cluster) -> Iterator[str]:
    """A node without a machine: it is never Ready, and pods bound to it never start."""
    name = f"kubetest-{secrets.token_hex(3)}"
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    yield name
    cluster.kubectl("delete", "node", name, "--ignore-not-found")


def pod(name: str, namespace: str, node: str, **metadata: Any) -> dict[str, Any]:
    """A pod that is bound to a node and will never run there."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": {
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "nowhere.invalid/none"}],
        },
    }
