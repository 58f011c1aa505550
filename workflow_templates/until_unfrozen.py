"""No node is begun while the cluster is frozen; its step waits in its pod (docs/decisions/0056)."""

import time

from workflow_templates import sigterm, step_output
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.pause import EndedError
from workflow_templates.protocol.api_path import api_path
from workflow_templates.protocol.freeze import NAME, Freeze

#: A job goes on so soon after the freeze was lifted.
LOOK_SECONDS = 3.0


def read(cluster: Cluster) -> Freeze | None:
    """None: the cluster is not frozen."""
    return Freeze.of(cluster.get(api_path("v1", "configmaps", namespace=cluster.namespace, name=NAME)))


def wait(cluster: Cluster) -> None:
    """Return once the cluster is not frozen; whoever calls it holds nothing that another job may need.

    Raises:
        EndedError: the step was stopped meanwhile, where it hears that (sigterm.raising).
    """
    said = None
    try:
        while freeze := read(cluster):
            if freeze != said:
                step_output.log(f"waits: {freeze.sentence}")
            said = freeze
            time.sleep(LOOK_SECONDS)
    except sigterm.StoppedError as stopped:
        if said is None:
            raise
        raise EndedError(said.sentence) from stopped
