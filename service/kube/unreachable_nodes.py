"""Step pods on unreachable nodes: Argo waits for them for ever unless the service marks them Failed.

They are not deleted. Argo 4.0.7 makes a force-deleted pod again under its name, which would run a script twice; a pod
whose status says Failed ends its step with that pod's message.
"""

from datetime import datetime, timedelta

from service.kube import nodes
from service.kube.client import Api, KubeSettings, Object
from workflow_templates.protocol import labels, pod_reasons
from workflow_templates.protocol.api_path import api_path, object_path

_LIVE_STEPS = {
    "labelSelector": labels.ARGO_WORKFLOW,
    "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed,spec.nodeName!=",
}


async def fail_pods(api: Api, settings: KubeSettings, not_ready_seconds: int) -> list[str]:
    """Mark step pods Failed whose node was NotReady that long, or no longer exists; returns the nodes' names.

    Pods are listed before nodes, so that a node which joined in between is not taken for one that is gone.
    """
    path = api_path("v1", "pods", namespace=settings.jobs_namespace)
    pods = [(pod["metadata"], pod["spec"]["nodeName"]) async for pod in api.list(path, _LIVE_STEPS)]
    if not pods:
        return []
    alive = await _alive(api, api.now() - timedelta(seconds=not_ready_seconds))
    unreachable = [(metadata, node) for metadata, node in pods if node not in alive]
    for metadata, node in unreachable:
        message = f"node {node} did not answer for {not_ready_seconds} s and was given up"
        await _fail(api, object_path(path, metadata["name"]), message)
    return sorted({node for _, node in unreachable})


async def _alive(api: Api, not_ready_since: datetime) -> set[str]:
    return {node["metadata"]["name"] async for node in api.list(nodes.PATH) if not _unreachable(node, not_ready_since)}


def _unreachable(node: Object, not_ready_since: datetime) -> bool:
    ready, since = nodes.readiness(node)
    return not ready and since <= not_ready_since


async def _fail(api: Api, path: str, message: str) -> None:
    status = {"phase": "Failed", "reason": pod_reasons.NODE_LOST, "message": message}
    await api.patch(f"{path}/status", {"status": status})


async def close_results(api: Api, settings: KubeSettings) -> list[str]:
    """Close the output reports that will not be finished: their pod has ended or is gone; returns the steps' ids.

    Argo 4.0.7 waits for the report of a step whose executor died with its node, or was force-deleted, for ever.
    Reports are listed before pods: one whose pod ended in between was finished by its own executor.
    """
    results = api_path("argoproj.io/v1alpha1", "workflowtaskresults", namespace=settings.jobs_namespace)
    pods = api_path("v1", "pods", namespace=settings.jobs_namespace)
    unfinished = {"labelSelector": f"{labels.ARGO_OUTPUTS_COMPLETED}=false"}
    open_results = [item["metadata"]["name"] async for item in api.list(results, unfinished, metadata=True)]
    if not open_results:
        return []
    live = api.list(pods, _LIVE_STEPS)
    at_work = {pod["metadata"].get("annotations", {}).get(labels.ARGO_NODE_ID) async for pod in live}
    left = [name for name in open_results if name not in at_work]
    for name in left:
        closed = {"metadata": {"labels": {labels.ARGO_OUTPUTS_COMPLETED: "true"}}}
        await api.patch(object_path(results, name), closed)
    return left
