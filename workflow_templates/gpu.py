"""Which GPUs a node has, by the resource names that the vendors' device plugins announce."""

from collections.abc import Mapping

from workflow_templates.cluster import Object

_RESOURCES: Mapping[str, tuple[str, ...]] = {
    "amd": ("amd.com/",),
    "intel": ("gpu.intel.com/", "habana.ai/"),
    "nvidia": ("nvidia.com/",),
}


def has_gpu(node: Object, vendor: str) -> bool:
    """Whether the node offers at least one device of that vendor; an unknown vendor is its own resource domain."""
    domains = _RESOURCES.get(vendor.lower(), (f"{vendor.lower()}/", f"{vendor.lower()}.com/"))
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    return any(name.startswith(domains) and str(amount) != "0" for name, amount in allocatable.items())
