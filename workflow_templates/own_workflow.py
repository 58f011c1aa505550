"""The job's own Workflow, read back from the cluster."""

import json
from collections.abc import Iterator
from typing import Any

from workflow_templates.kubernetes_api import Cluster, ClusterError, Object
from workflow_templates.protocol import node_status


def read(cluster: Cluster, job: str, *, cached: bool = False) -> Object | None:
    """The Workflow object; None: it was deleted.

    `cached`: as the apiserver has it in memory, a moment old perhaps. That spares it reading a large one from etcd.
    """
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{cluster.namespace}/workflows/{job}"
    return cluster.get(path, **({"resourceVersion": "0"} if cached else {}))


def read_metadata(cluster: Cluster, job: str) -> Object | None:
    """Only the metadata of the Workflow object, which is small; None: it is gone."""
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{cluster.namespace}/workflows/{job}"
    return cluster.get_metadata(path)


def owner(workflow: Object) -> Object:
    """What makes Kubernetes delete an object with the job's Workflow."""
    metadata = workflow["metadata"]
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": metadata["name"], "uid": metadata["uid"]}


def planned(workflow: Object) -> list[str]:
    """The names of the nodes that the job is for, from its parameter `nodes`."""
    names: list[str] = json.loads(parameters(workflow["spec"].get("arguments") or {}).get("nodes") or "[]")
    return names


def steps(workflow: Object) -> Iterator[Object]:
    """Argo's entries of status.nodes.

    Raises:
        ClusterError: they do not stand in the Workflow.
    """
    try:
        return iter(node_status.entries(workflow).values())
    except node_status.UnreadableStatusError as error:
        raise ClusterError(str(error)) from error


def node_of(step: Object) -> str:
    """The node that an entry of status.nodes is for, from its parameter `node`."""
    return str(parameters(step.get("inputs") or {}).get("node"))


def parameters(holder: Object) -> dict[str, Any]:
    """Name and value of each parameter of arguments or inputs."""
    return {parameter["name"]: parameter.get("value") for parameter in holder.get("parameters") or ()}
