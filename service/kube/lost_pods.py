"""Step pods on nodes that are gone: Argo waits for them for ever unless somebody gives them up."""

import contextlib
from datetime import UTC, datetime, timedelta

from service.kube import nodes
from service.kube.client import Api, ConflictError, KubeSettings, Object

_LIVE_STEPS = {
    "labelSelector": "workflows.argoproj.io/workflow",
    "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed,spec.nodeName!=",
}


async def lose_pods(api: Api, settings: KubeSettings, not_ready_seconds: int) -> list[str]:
    """Force-delete step pods whose node was NotReady that long, or no longer exists; answers the nodes' names.

    Pods are listed before nodes, so that a node which joined in between is not taken for one that is gone.
    """
    path = f"/api/v1/namespaces/{settings.jobs_namespace}/pods"
    pods = [(pod["metadata"], pod["spec"]["nodeName"]) async for pod in api.list(path, _LIVE_STEPS)]
    if not pods:
        return []
    alive = await _alive(api, datetime.now(UTC) - timedelta(seconds=not_ready_seconds))
    lost = [(metadata, node) for metadata, node in pods if node not in alive]
    for metadata, _ in lost:
        await _give_up(api, f"{path}/{metadata['name']}", metadata)
    return sorted({node for _, node in lost})


async def _alive(api: Api, not_ready_since: datetime) -> set[str]:
    return {node["metadata"]["name"] async for node in api.list(nodes.PATH) if not _lost(node, not_ready_since)}


def _lost(node: Object, not_ready_since: datetime) -> bool:
    ready, since = nodes.readiness(node)
    return not ready and since <= not_ready_since


async def _give_up(api: Api, path: str, metadata: Object) -> None:
    with contextlib.suppress(ConflictError):  # another pod has that name by now
        await api.delete(path, {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}})
