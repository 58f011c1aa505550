"""Workloads by name: built-in controllers, bare pods, and whatever custom controller stands above a pod."""

from collections.abc import Iterable, Mapping

from service.domain.cluster_objects import Workload
from service.kube.client import Api, KubeSettings, Object
from service.kube.owners import Owners
from workflow_templates.protocol.api_path import api_path, is_object_name

#: Controllers that are a workload even while they have no pod.
_CONTROLLERS = (
    ("apps/v1", "deployments"),
    ("apps/v1", "statefulsets"),
    ("apps/v1", "daemonsets"),
    ("apps/v1", "replicasets"),
    ("batch/v1", "jobs"),
    ("batch/v1", "cronjobs"),
)

#: Workload name → names of its pods.
_Pods = dict[str, list[str]]


async def workloads(
    api: Api, settings: KubeSettings, names: Iterable[str], within: Mapping[str, str]
) -> dict[str, list[Workload]]:
    """Every workload of each name, with its pods and the nodes these were given; `within`: workspace id → namespace.

    Pods of no other namespace are looked at, and those of each once, however many names there are. Controllers of one
    name and namespace (a Job beside a Service's Deployment) count as one workload.
    """
    wanted = frozenset(filter(is_object_name, names))
    found: dict[str, list[Workload]] = {name: [] for name in names}
    if not wanted:
        return found
    controlled = {name: await _controlled(api, name) for name in wanted}
    owners = Owners(api)
    for workspace_id, namespace in sorted(within.items(), key=lambda item: item[1]):
        pods = await _pods(api, owners, settings.workload_labels, namespace, wanted)
        nodes = await _nodes(api, namespace) if any(pods.values()) else {}
        for name in wanted:
            if pods[name] or namespace in controlled[name]:
                on = frozenset(nodes[pod] for pod in pods[name] if pod in nodes)
                found[name].append(Workload(name, namespace, workspace_id, on, tuple(pods[name])))
    return found


async def _controlled(api: Api, name: str) -> set[str]:
    """Namespaces that have a built-in controller of that name."""
    found = set()
    for version, plural in _CONTROLLERS:
        query = {"fieldSelector": f"metadata.name={name}"}
        async for item in api.list(api_path(version, plural), query, metadata=True):
            found.add(item["metadata"]["namespace"])
    return found


async def _pods(api: Api, owners: Owners, labels: tuple[str, ...], namespace: str, wanted: frozenset[str]) -> _Pods:
    """Names of each workload's pods, the oldest first."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in wanted}
    async for pod in api.list(api_path("v1", "pods", namespace=namespace), metadata=True):
        metadata = pod["metadata"]
        own = named_by(metadata, labels, wanted)
        for name in own | await owners.above(metadata, wanted - own):
            found[name].append((metadata["creationTimestamp"], metadata["name"]))
    return {name: [pod for _, pod in sorted(pods)] for name, pods in found.items()}


async def _nodes(api: Api, namespace: str) -> dict[str, str]:
    """Pod → the node that it was given."""
    listed = api.list(api_path("v1", "pods", namespace=namespace), {"fieldSelector": "spec.nodeName!="})
    return {pod["metadata"]["name"]: pod["spec"]["nodeName"] async for pod in listed}


def named_by(metadata: Object, labels: tuple[str, ...], wanted: frozenset[str]) -> frozenset[str]:
    """Those of the wanted names that the pod itself bears: its own, if no controller made it, or one in a label."""
    own = set() if metadata.get("ownerReferences") else {metadata["name"]}
    return wanted & (own | {(metadata.get("labels") or {}).get(key) for key in labels})
