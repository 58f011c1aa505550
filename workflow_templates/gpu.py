"""Whether a node has GPUs of a vendor: also one whose GPUs do not work, which an addon may be there to mend."""

import re
from collections.abc import Mapping

from workflow_templates.kubernetes_api import Object

#: Resource names that the vendors' device plugins announce.
_RESOURCES: Mapping[str, tuple[str, ...]] = {
    "amd": ("amd.com/",),
    "intel": ("gpu.intel.com/", "habana.ai/"),
    "nvidia": ("nvidia.com/",),
}
#: Labels of Node Feature Discovery (a PCI device of that vendor, of Intel a display or an accelerator) and their own.
_LABELS: Mapping[str, str] = {
    "amd": r"feature\.node\.kubernetes\.io/(pci-([0-9a-f]{4}_)?1002\b.*\.present|amd-gpu)|(beta\.)?amd\.com/gpu\..+",
    "intel": r"feature\.node\.kubernetes\.io/pci-(03[0-9a-f]{2}_8086|([0-9a-f]{4}_)?1da3)\b.*\.present"
    r"|intel\.feature\.node\.kubernetes\.io/gpu|gpu\.intel\.com/.+",
    "nvidia": r"feature\.node\.kubernetes\.io/pci-([0-9a-f]{4}_)?10de\b.*\.present"
    r"|nvidia\.com/gpu\.(present|count|product|machine|family)",
}
_NONE = ("", "0", "false")


def has_gpu(node: Object, vendor: str) -> bool:
    """By its capacity, or its labels: GPUs that do not work are not allocatable.

    A vendor that is not known here is its own resource domain.
    """
    name = vendor.lower()
    domains = _RESOURCES.get(name, (f"{name}/", f"{name}.com/"))
    labelled = _LABELS.get(name, rf"{re.escape(name)}(\.com)?/gpu\b.*")
    status = node.get("status") or {}
    amounts = [*(status.get("capacity") or {}).items(), *(status.get("allocatable") or {}).items()]
    labels = (node.get("metadata") or {}).get("labels") or {}
    return any(key.startswith(domains) and str(amount) not in _NONE for key, amount in amounts) or any(
        re.fullmatch(labelled, key) and str(value).lower() not in _NONE for key, value in labels.items()
    )
