"""What Argo packs in a Workflow's status so that large ones fit into etcd."""

from typing import Any

from workflow_templates.protocol import node_status

Object = dict[str, Any]


def unpacked(workflow: Object) -> Object:
    """The Workflow with status.nodes as a dict, whether Argo had compressed it or not.

    Where that cannot be read it is empty, and `unreadable` beside `status` says why.
    """
    unreadable = {}
    try:
        nodes = node_status.entries(workflow)
    except node_status.UnreadableStatusError as error:
        nodes, unreadable = {}, {"unreadable": str(error)}
    rest = {key: value for key, value in (workflow.get("status") or {}).items() if key != "compressedNodes"}
    return {**workflow, "status": {**rest, "nodes": nodes}, **unreadable}
