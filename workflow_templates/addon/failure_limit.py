"""The ratio rule as a node step keeps it, with the service down too (contract: availableRatio)."""

from collections.abc import Iterable

from workflow_templates import own_workflow
from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.protocol import exit_codes, labels

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
#: How a pod ends that has touched nothing.
_UNTOUCHED = (exit_codes.WAITING, exit_codes.NOT_BEGUN)


def failed_nodes(pods: Iterable[Object]) -> set[str]:
    """The nodes for which a pod of the job failed; one that waits or was not begun has touched nothing."""
    return {node for pod in pods if (node := _meant_for(pod)) and _exit_code(pod) not in _UNTOUCHED}


def failed_entries(found: Object) -> set[str]:
    """The same as Argo wrote it down, where a pod may be gone by now."""
    return {
        own_workflow.node_of(step)
        for step in own_workflow.steps(found)
        if step.get("type") == "Pod" and step.get("templateName") == "node" and step.get("phase") in ("Failed", "Error")
        # As text, and missing where Argo never learned it.
        if (step.get("outputs") or {}).get("exitCode") not in {str(code) for code in _UNTOUCHED}
    }


def out_of_reach(planned: int, failed: int, required: int) -> bool:
    """Whether fewer nodes are left than must succeed."""
    return planned - failed < required


def failed_so_far(cluster: Cluster, job: str) -> set[str]:
    """By the pods that there are: Argo waits for the very same, so none that freed our slot is missing."""
    return failed_nodes(
        cluster.list(
            f"/api/v1/namespaces/{cluster.namespace}/pods",
            labelSelector=labels.pods_of(job, labels.STEP_NODE),
            fieldSelector="status.phase=Failed",
        )
    )


def failed_before(cluster: Cluster, job: str) -> set[str]:
    """By the Workflow, which lags behind, but remembers pods that were collected or went with their node."""
    found = own_workflow.read(cluster, job, cached=True)
    return failed_entries(found) if found else set()


def _meant_for(pod: Object) -> str:
    """Its node, or the one that it was pinned to and never reached."""
    if name := pod["spec"].get("nodeName"):
        return str(name)
    affinity = ((pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED) or {}
    fields = [field for term in affinity.get("nodeSelectorTerms") or () for field in term.get("matchFields") or ()]
    return next((str(field["values"][0]) for field in fields if field["key"] == "metadata.name"), "")


def _exit_code(pod: Object) -> int | None:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container["name"] == "main":
            ended = (container.get("state") or {}).get("terminated") or {}
            code: int | None = ended.get("exitCode")
            return code
    return None
