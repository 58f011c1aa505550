from service.domain.cluster import Workspace
from service.kube.client import Api, is_label_value

PATH = "/api/v1/namespaces"


async def workspace(api: Api, label: str, workspace_id: str) -> Workspace | None:
    """The workspace whose id the label's value is; the first by name where several namespaces carry it."""
    if not is_label_value(workspace_id):
        return None
    found = [item async for item in api.list(PATH, {"labelSelector": f"{label}={workspace_id}"}, metadata=True)]
    names = sorted(item["metadata"]["name"] for item in found)
    return Workspace(id=workspace_id, namespace=names[0]) if names else None


async def by_id(api: Api, label: str) -> dict[str, str]:
    """Workspace id → its namespace, chosen as `workspace` does."""
    found = await by_namespace(api, label)
    return {found[name]: name for name in sorted(found, reverse=True)}


async def by_namespace(api: Api, label: str) -> dict[str, str]:
    """Namespace → workspace id of every workspace."""
    found = api.list(PATH, {"labelSelector": label}, metadata=True)
    return {item["metadata"]["name"]: item["metadata"]["labels"][label] async for item in found}
