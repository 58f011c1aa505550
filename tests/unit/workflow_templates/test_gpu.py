"""Which addon templates a node's GPUs let in (contract: addon, the GPU vendor it is for)."""

import pytest

from workflow_templates.gpu import has_gpu
from workflow_templates.kubernetes_api import Object


def node(**capacity: str) -> Object:
    """None of them works: nothing is allocatable."""
    none = dict.fromkeys(capacity, "0")
    return {"status": {"capacity": {"cpu": "8", **capacity}, "allocatable": {"cpu": "8", **none}}}


@pytest.mark.parametrize(
    ("resource", "vendor"),
    [
        ("nvidia.com/gpu", "nvidia"),
        ("nvidia.com/gpu", "NVIDIA"),
        ("nvidia.com/mig-1g.5gb", "nvidia"),
        ("amd.com/gpu", "amd"),
        ("gpu.intel.com/i915", "intel"),
        ("habana.ai/gaudi", "intel"),
        ("moorethreads.com/gpu", "moorethreads"),
        ("example.org/npu", "example.org"),
    ],
)
def test_a_device_of_the_vendor_lets_it_in(resource: str, vendor: str) -> None:
    assert has_gpu(node(**{resource: "1"}), vendor)


@pytest.mark.parametrize("item", [node(), node(**{"amd.com/gpu": "4"}), node(**{"nvidia.com/gpu": "0"}), {}])
def test_no_device_of_the_vendor_keeps_it_out(item: Object) -> None:
    assert not has_gpu(item, "nvidia")


@pytest.mark.parametrize(
    ("label", "vendor"),
    [
        ("nvidia.com/gpu.present=true", "nvidia"),
        ("nvidia.com/gpu.count=8", "nvidia"),
        ("feature.node.kubernetes.io/pci-10de.present=true", "nvidia"),
        ("feature.node.kubernetes.io/pci-0302_10de.present=true", "nvidia"),
        ("feature.node.kubernetes.io/pci-1200_1002.present=true", "AMD"),
        ("feature.node.kubernetes.io/amd-gpu=true", "amd"),
        ("amd.com/gpu.product-name=MI300X", "amd"),
        ("feature.node.kubernetes.io/pci-0380_8086.present=true", "intel"),
        ("feature.node.kubernetes.io/pci-1da3.present=true", "intel"),
        ("moorethreads.com/gpu.present=true", "moorethreads"),
    ],
)
def test_a_node_whose_driver_never_came_up_is_known_by_its_labels(label: str, vendor: str) -> None:
    key, _, value = label.partition("=")
    assert has_gpu({"metadata": {"labels": {key: value}}}, vendor)


@pytest.mark.parametrize(
    "label",
    [
        "nvidia.com/gpu.present=false",
        "nvidia.com/gpu.count=0",
        "feature.node.kubernetes.io/pci-10de.present=false",
        "feature.node.kubernetes.io/pci-15b3.present=true",
        "feature.node.kubernetes.io/pci-0200_8086.present=true",
        "team=nvidia",
    ],
)
@pytest.mark.parametrize("vendor", ["nvidia", "intel"])
def test_labels_that_say_nothing_of_a_gpu(label: str, vendor: str) -> None:
    key, _, value = label.partition("=")
    assert not has_gpu({"metadata": {"labels": {key: value}}}, vendor)
