"""Workloads by name: built-in controllers, bare pods, and whatever custom controller stands above a pod."""

from collections.abc import Mapping

from service.domain.cluster import Workload
from service.kube import workspaces
from service.kube.client import Api, KubeSettings, Object, is_object_name
from service.kube.owners import Owners

#: Controllers that are a workload even while they have no pod.
_CONTROLLERS = (
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/apps/v1/replicasets",
    "/apis/batch/v1/jobs",
    "/apis/batch/v1/cronjobs",
)


async def workloads(api: Api, settings: KubeSettings, name: str) -> list[Workload]:
    """Every workload of that name in a workspace's namespace, with its pods and the nodes these were given.

    Controllers of one name and namespace (a Job beside a Service's Deployment) count as one workload.
    """
    if not is_object_name(name):
        return []
    in_workspace = await workspaces.by_namespace(api, settings.workspace_label)
    controlled = await _controlled(api, name, in_workspace)
    owners = Owners(api)
    found = []
    for namespace, workspace_id in sorted(in_workspace.items()):
        pods = await _pods(api, owners, settings.workload_labels, namespace, name)
        if pods or namespace in controlled:
            nodes = await _nodes(api, namespace, set(pods)) if pods else frozenset[str]()
            found.append(Workload(name, namespace, workspace_id, nodes, tuple(pods)))
    return found


async def _controlled(api: Api, name: str, in_workspace: Mapping[str, str]) -> set[str]:
    """Namespaces that have a built-in controller of that name."""
    found = set()
    for path in _CONTROLLERS:
        async for item in api.list(path, {"fieldSelector": f"metadata.name={name}"}, metadata=True):
            found.add(item["metadata"]["namespace"])
    return found & set(in_workspace)


async def _pods(api: Api, owners: Owners, labels: tuple[str, ...], namespace: str, name: str) -> list[str]:
    """Names of the workload's pods, the oldest first."""
    found = []
    async for pod in api.list(f"/api/v1/namespaces/{namespace}/pods", metadata=True):
        metadata = pod["metadata"]
        if is_bare(metadata, name) or is_labelled(metadata, labels, name) or await owners.is_owned_by(metadata, name):
            found.append((metadata["creationTimestamp"], metadata["name"]))
    return [pod for _, pod in sorted(found)]


async def _nodes(api: Api, namespace: str, pods: set[str]) -> frozenset[str]:
    path = f"/api/v1/namespaces/{namespace}/pods"
    found = [
        pod async for pod in api.list(path, {"fieldSelector": "spec.nodeName!="}) if pod["metadata"]["name"] in pods
    ]
    return frozenset(pod["spec"]["nodeName"] for pod in found)


def is_bare(metadata: Object, name: str) -> bool:
    """A pod that no controller made, by its own name."""
    return bool(metadata["name"] == name) and not metadata.get("ownerReferences")


def is_labelled(metadata: Object, labels: tuple[str, ...], name: str) -> bool:
    return any(metadata.get("labels", {}).get(key) == name for key in labels)
