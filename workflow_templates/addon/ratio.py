"""The ratio rule as a node step keeps it, with the service down too (contract: availableRatio)."""

from collections.abc import Iterable

from workflow_templates.cluster import Cluster, Object

EXIT_WAITING = 75
EXIT_NOT_BEGUN = 76


def failed_nodes(pods: Iterable[Object]) -> set[str]:
    """The nodes on which a pod of the job failed; one that waits or was not begun has touched nothing."""
    return {
        pod["spec"]["nodeName"]
        for pod in pods
        if pod["spec"].get("nodeName") and _exit_code(pod) not in (EXIT_WAITING, EXIT_NOT_BEGUN)
    }


def out_of_reach(planned: int, failed: int, required: int) -> bool:
    """Whether fewer nodes are left than must succeed."""
    return planned - failed < required


def failed_so_far(cluster: Cluster, job: str) -> set[str]:
    return failed_nodes(
        cluster.list(
            f"/api/v1/namespaces/{cluster.namespace}/pods",
            labelSelector=f"workflows.argoproj.io/workflow={job},opsjob.io/step=node",
            fieldSelector="status.phase=Failed",
        )
    )


def _exit_code(pod: Object) -> int | None:
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container["name"] == "main":
            ended = (container.get("state") or {}).get("terminated") or {}
            code: int | None = ended.get("exitCode")
            return code
    return None
