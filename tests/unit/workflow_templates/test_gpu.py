"""Which addon templates a node's GPUs let in (contract: addon, the GPU vendor it is for)."""

import pytest

from workflow_templates.cluster import Object
from workflow_templates.gpu import has_gpu


def node(**allocatable: str) -> Object:
    return {"status": {"allocatable": {"cpu": "8", "memory": "32Gi", **allocatable}}}


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
