"""AddonTemplate and NodeTemplate: the custom resources that say what an addon is."""

from service.domain.cluster_objects import AddonTemplate, NodeTemplate
from service.kube.client import Api, Object
from workflow_templates.protocol.api_path import api_path, is_object_name

_VERSION = "opsjob.io/v1alpha1"


async def addon_template(api: Api, name: str) -> AddonTemplate | None:
    item = await _read(api, "addontemplates", name)
    return addon_template_of(item) if item else None


async def node_template(api: Api, name: str) -> list[str] | None:
    """The names of the addon templates it lists, in order."""
    item = await _read(api, "nodetemplates", name)
    return list(item["spec"]["addonTemplates"]) if item else None


async def addon_templates(api: Api) -> list[AddonTemplate]:
    return [addon_template_of(item) async for item in api.list(api_path(_VERSION, "addontemplates"))]


async def node_templates(api: Api) -> list[NodeTemplate]:
    return [node_template_of(item) async for item in api.list(api_path(_VERSION, "nodetemplates"))]


def node_template_of(item: Object) -> NodeTemplate:
    spec = item["spec"]
    return NodeTemplate(item["metadata"]["name"], tuple(spec["addonTemplates"]), spec.get("description", ""))


def addon_template_of(item: Object) -> AddonTemplate:
    spec = item["spec"]
    return AddonTemplate(
        name=item["metadata"]["name"],
        script=spec["script"],
        description=spec.get("description", ""),
        check=spec.get("check"),
        required=spec.get("required", True),
        gpu_vendor=spec.get("gpuVendor"),
        shell=spec.get("shell") or "/bin/sh",
        timeout_second=spec.get("timeoutSecond"),
    )


async def _read(api: Api, plural: str, name: str) -> Object | None:
    return await api.get(api_path(_VERSION, plural, name=name)) if is_object_name(name) else None
