"""Argo's entries of status.nodes, which its controller compresses in a large Workflow, or keeps elsewhere."""

import base64
import binascii
import gzip
import json
from typing import Any

Object = dict[str, Any]


class UnreadableStatusError(ValueError):
    """What became of the steps does not stand in the Workflow; the message says why, and which setting to change."""


def entries(workflow: Object) -> dict[str, Object]:
    """status.nodes of a Workflow by id, whether Argo had compressed it or not.

    Raises:
        UnreadableStatusError: it is compressed in a way that Argo 4.0 does not use, or in Argo's own database.
    """
    status = workflow.get("status") or {}
    name = (workflow.get("metadata") or {}).get("name", "")
    packed, plain = status.get("compressedNodes"), status.get("nodes")
    if status.get("offloadNodeStatusVersion") and not packed and not plain:
        raise UnreadableStatusError(
            f"Argo keeps the steps of Workflow {name} in a database of its own, where they cannot be read: set "
            "nodeStatusOffLoad to false under persistence in the ConfigMap workflow-controller-configmap, and remove "
            "ALWAYS_OFFLOAD_NODE_STATUS from the environment of Argo's controller"
        )
    if not packed:
        return plain or {}
    try:
        unpacked: dict[str, Object] = json.loads(gzip.decompress(base64.b64decode(packed, validate=True)))
    except (binascii.Error, OSError, EOFError, ValueError) as error:
        raise UnreadableStatusError(
            f"the steps of Workflow {name} cannot be read: status.compressedNodes is no base64 of gzipped JSON "
            f"({error}); Argo Workflows 4.0 is what OpsJobs is tested with"
        ) from error
    return unpacked
