from collections import defaultdict

from service.domain.cluster_objects import Workspace
from service.kube.client import Api, is_label_value
from workflow_templates.protocol.api_path import api_path

PATH = api_path("v1", "namespaces")


async def workspace(api: Api, label: str, workspace_id: str) -> Workspace | None:
    """The workspace whose id the label's value is."""
    if not is_label_value(workspace_id):
        return None
    found = [item async for item in api.list(PATH, {"labelSelector": f"{label}={workspace_id}"}, metadata=True)]
    names = sorted(item["metadata"]["name"] for item in found)
    return Workspace(workspace_id, tuple(names)) if names else None


async def by_id(api: Api, label: str) -> dict[str, Workspace]:
    """Every workspace by its id."""
    found = [item["metadata"] async for item in api.list(PATH, {"labelSelector": label}, metadata=True)]
    namespaces = defaultdict[str, list[str]](list)
    for metadata in sorted(found, key=lambda metadata: str(metadata["name"])):
        namespaces[metadata["labels"][label]].append(metadata["name"])
    return {key: Workspace(key, tuple(names)) for key, names in namespaces.items()}
