"""Argo's entries of status.nodes, which its controller compresses in a large Workflow."""

import base64
import binascii
import gzip
import json
from typing import Any

Object = dict[str, Any]


class UnreadableStatusError(ValueError):
    """status.compressedNodes is not base64 of gzipped JSON."""


def entries(workflow: Object) -> dict[str, Object]:
    """status.nodes of a Workflow by id, whether Argo had compressed it or not.

    Raises:
        UnreadableStatusError: it is compressed in a way that Argo 4.0 does not use.
    """
    status = workflow.get("status") or {}
    packed = status.get("compressedNodes")
    if not packed:
        return status.get("nodes") or {}
    try:
        unpacked: dict[str, Object] = json.loads(gzip.decompress(base64.b64decode(packed, validate=True)))
    except (binascii.Error, OSError, EOFError, ValueError) as error:
        name = (workflow.get("metadata") or {}).get("name", "")
        raise UnreadableStatusError(f"status.compressedNodes of Workflow {name} cannot be read: {error}") from error
    return unpacked
