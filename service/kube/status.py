"""What Argo packs in a Workflow's status so that large ones fit into etcd."""

import base64
import binascii
import gzip
import json
from typing import Any

Object = dict[str, Any]


class UnreadableStatusError(ValueError):
    """status.compressedNodes is not base64 of gzipped JSON."""


def unpacked(workflow: Object) -> Object:
    """The Workflow with status.nodes as a dict, whether Argo had compressed it or not.

    Raises:
        UnreadableStatusError: it is compressed in a way that Argo 4.0 does not use.
    """
    status = workflow.get("status") or {}
    packed = status.get("compressedNodes")
    if not packed:
        return {**workflow, "status": {**status, "nodes": status.get("nodes") or {}}}
    try:
        nodes = json.loads(gzip.decompress(base64.b64decode(packed, validate=True)))
    except (binascii.Error, OSError, EOFError, ValueError) as error:
        name = workflow.get("metadata", {}).get("name", "")
        raise UnreadableStatusError(f"status.compressedNodes of Workflow {name} cannot be read: {error}") from error
    rest = {key: value for key, value in status.items() if key != "compressedNodes"}
    return {**workflow, "status": {**rest, "nodes": nodes}}
