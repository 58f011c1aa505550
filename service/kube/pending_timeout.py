"""The pending timeout of addon jobs' steps: one that does not start would take its slot of the batch for ever.

They are not deleted, for Argo 4.0.7 would make them again (docs/decisions/0013). A pod that no node has is marked
Failed with the reason. One that a kubelet has gets a deadline that has passed, for a kubelet takes back what others
write into its pods' status; why it did not start is in the job's record by then.
"""

from datetime import timedelta

import structlog

from service.kube import nodes
from service.kube.client import Api, ConflictError, KubeSettings, Object
from workflow_templates.protocol import labels, pod_reasons, pod_start
from workflow_templates.protocol.api_path import api_path, object_path

log = structlog.get_logger()

#: Checks of a preflight job are watched by the job itself, and a reboot's steps may wait for their node.
_NOT_STARTED = {
    "labelSelector": f"{labels.ARGO_WORKFLOW},{labels.STEP}={labels.STEP_NODE}",
    # A pod whose executor runs while its main container waits for its image is Pending all the same.
    "fieldSelector": "status.phase=Pending,spec.serviceAccountName=opsjob-addon",
}
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
#: The reason for a pod of which neither kubelet nor scheduler say anything.
_NO_REASON = "Kubernetes gives no reason"
#: The least that Kubernetes takes; the pod has had all of it.
_PASSED = 1


async def fail_overdue_pods(api: Api, settings: KubeSettings) -> list[str]:
    """End what did not start in time, and at once what waits for a node that is gone; returns the pods' names.

    Pods are listed before nodes, so that a node which joined in between is not taken for one that is gone.
    """
    path = api_path("v1", "pods", namespace=settings.jobs_namespace)
    pods = [pod async for pod in api.list(path, _NOT_STARTED)]
    if not pods:
        return []
    present = {node["metadata"]["name"] async for node in api.list(nodes.PATH, metadata=True)}
    late = api.now() - timedelta(seconds=settings.start_seconds)
    ended = []
    for pod in pods:
        meant_for, name = pinned_to(pod), pod["metadata"]["name"]
        if meant_for and meant_for not in present:
            why = f"node {meant_for} is gone from the cluster"
        elif nodes.moment(pod["metadata"]["creationTimestamp"]) <= late:
            why = pod_start.given_up(pod_start.obstacle(pod) or _NO_REASON, settings.start_seconds)
        else:
            continue
        if await _end(api, object_path(path, name), pod, why):
            log.warning("gave up a step that did not start", pod=name, node=meant_for, reason=why)
            ended.append(name)
    return ended


def pinned_to(pod: Object) -> str:
    """The node that it is for; empty: it may go to any."""
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    fields = [field for term in affinity.get("nodeSelectorTerms") or () for field in term.get("matchFields") or ()]
    return next((str(field["values"][0]) for field in fields if field["key"] == "metadata.name"), "")


async def _end(api: Api, path: str, pod: Object, why: str) -> bool:
    """Only if it is as it was read: it may be starting right now, and is looked at again in the next round."""
    spec, version = pod["spec"], {"metadata": {"resourceVersion": pod["metadata"]["resourceVersion"]}}
    if spec.get("nodeName") and spec.get("activeDeadlineSeconds") == _PASSED:
        return False
    try:
        if spec.get("nodeName"):
            await api.patch(path, {**version, "spec": {"activeDeadlineSeconds": _PASSED}})
        else:
            status = {"phase": "Failed", "reason": pod_reasons.NEVER_STARTED, "message": why}
            await api.patch(f"{path}/status", {**version, "status": status})
    except ConflictError:
        return False
    return True
