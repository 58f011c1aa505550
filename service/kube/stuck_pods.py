"""Step pods that will not start, or will not end: Argo waits for them for ever unless the service ends them.

They are not deleted: Argo 4.0.7 makes a deleted pod again under its name, which would run a script twice
(docs/decisions/0013). A pod whose status says Failed ends its step with that pod's message. One that a running kubelet
has gets a deadline that has passed instead, for a kubelet takes back what others write into its pods' status; why it
did not start is in the job's record by then.
"""

from collections.abc import Mapping
from datetime import timedelta

from service.kube import nodes
from service.kube.client import Api, ConflictError, KubeSettings, Object
from workflow_templates.protocol import labels, pod_reasons, pod_start
from workflow_templates.protocol.api_path import api_path, object_path

_LIVE_STEPS = {
    "labelSelector": labels.ARGO_WORKFLOW,
    "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed",
}
_OPEN_REPORTS = {"labelSelector": f"{labels.ARGO_OUTPUTS_COMPLETED}=false"}
#: Steps with a pending timeout. Checks of a preflight job are watched by the job itself, and a reboot's steps may wait
#: for their node.
_TIMED = "opsjob-addon"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
#: The reason for a pod of which neither kubelet nor scheduler say anything.
_NO_REASON = "Kubernetes gives no reason"
#: How long ago a kubelet began a pod of which it has lost a container: by then it has noticed, where it does.
_FORGOTTEN_SECONDS = 120
#: The least that Kubernetes takes; the pod has had all of it.
_PASSED = 1


async def end_stuck_pods(api: Api, settings: KubeSettings, not_ready_seconds: int) -> dict[str, str]:
    """End each pod whose node is gone or was NotReady that long, or that did not start in time; returns why, by name.

    Reports of steps that no pod will finish any more are closed. Reports are listed before pods, for one whose pod
    ended in between was finished by its own executor; and pods before nodes, so that a node which joined in between is
    not taken for one that is gone.
    """
    reports = api_path("argoproj.io/v1alpha1", "workflowtaskresults", namespace=settings.jobs_namespace)
    path = api_path("v1", "pods", namespace=settings.jobs_namespace)
    open_reports = [item["metadata"]["name"] async for item in api.list(reports, _OPEN_REPORTS, metadata=True)]
    pods = [pod async for pod in api.list(path, _LIVE_STEPS)]
    present = {node["metadata"]["name"]: node async for node in api.list(nodes.PATH)} if pods else {}
    ended, at_work = {}, set()
    for pod in pods:
        name = pod["metadata"]["name"]
        if why := _lost(api, pod, present, not_ready_seconds):
            await api.patch(f"{object_path(path, name)}/status", _failed(pod_reasons.NODE_LOST, why))
            ended[name] = why
            continue
        at_work.add(pod["metadata"].get("annotations", {}).get(labels.ARGO_NODE_ID))
        why = _forgotten(api, pod) or _not_started(api, pod, present, settings.start_seconds)
        if why and await _end(api, object_path(path, name), pod, why):
            ended[name] = why
    for report in open_reports:
        if report not in at_work:
            closed = {"metadata": {"labels": {labels.ARGO_OUTPUTS_COMPLETED: "true"}}}
            await api.patch(object_path(reports, report), closed)
    return ended


def _lost(api: Api, pod: Object, present: Mapping[str, Object], not_ready_seconds: int) -> str:
    """Why its node will not run it to its end; empty: it may, or no node has it yet."""
    name = pod["spec"].get("nodeName")
    if not name:
        return ""
    if node := present.get(name):
        ready, since = nodes.readiness(node)
        if ready or since > api.now() - timedelta(seconds=not_ready_seconds):
            return ""
    return f"node {name} did not answer for {not_ready_seconds} s and was given up"


def _forgotten(api: Api, pod: Object) -> str:
    """Why it waits in vain: its node restarted while it began, and the kubelet has lost a container and does nothing.

    A step that waits for one node of a rollout may lie on another that is rebooted. Empty: that is not so.
    """
    status = pod["status"]
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    # A container that was made and is about to start looks the same for a moment, but its pod has a sandbox.
    is_lost = conditions.get("PodReadyToStartContainers") == "False" and any(
        one.get("containerID") and (one.get("state") or {}).get("waiting") == {} for one in containers
    )
    if status.get("phase") != "Pending" or not is_lost or not status.get("startTime"):
        return ""
    if nodes.moment(status["startTime"]) > api.now() - timedelta(seconds=_FORGOTTEN_SECONDS):
        return ""
    return pod_start.given_up("its node restarted meanwhile, and the container that ran is lost")


def _not_started(api: Api, pod: Object, present: Mapping[str, Object], start_seconds: int) -> str:
    """Why it is given up before it started: its slot of the batch would be taken for ever. Empty: it is not."""
    metadata = pod["metadata"]
    # A pod whose executor runs while its main container waits for its image is Pending all the same.
    pending = pod["status"].get("phase") == "Pending"
    timed = pod["spec"].get("serviceAccountName") == _TIMED and metadata["labels"].get(labels.STEP) == labels.STEP_NODE
    if not pending or not timed:
        return ""
    node = pinned_to(pod)
    if node and node not in present:
        return f"node {node} is gone from the cluster"
    if nodes.moment(metadata["creationTimestamp"]) > api.now() - timedelta(seconds=start_seconds):
        return ""
    return pod_start.given_up(pod_start.obstacle(pod) or _NO_REASON, start_seconds)


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
            await api.patch(f"{path}/status", {**version, **_failed(pod_reasons.NEVER_STARTED, why)})
    except ConflictError:
        return False
    return True


def _failed(reason: str, message: str) -> Object:
    return {"status": {"phase": "Failed", "reason": reason, "message": message}}
