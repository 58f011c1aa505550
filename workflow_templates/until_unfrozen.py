"""No node is begun while the cluster is frozen; its step waits in its pod (docs/decisions/0056)."""

from workflow_templates import held_back
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol.api_path import api_path
from workflow_templates.protocol.freeze import NAME, Freeze


def read(cluster: Cluster) -> Freeze | None:
    """None: the cluster is not frozen."""
    return Freeze.of(cluster.get(api_path("v1", "configmaps", namespace=cluster.namespace, name=NAME)))


def wait(cluster: Cluster, what: str) -> None:
    """As held_back.wait_while, for as long as the cluster is frozen; the caller holds nothing another job may need."""
    held_back.wait_while(lambda: freeze.sentence if (freeze := read(cluster)) else "", what)
