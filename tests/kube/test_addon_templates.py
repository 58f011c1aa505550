"""AddonTemplate and NodeTemplate as the chart's CRDs define them."""

from pathlib import Path

import pytest

from service.domain.cluster_objects import AddonTemplate, NodeTemplate
from service.kube.addon_templates import addon_template, addon_templates, node_template, node_templates
from service.kube.client import Api
from tests.e2e.live import Cluster

CRDS = Path(__file__).parents[2] / "charts" / "opsjobs" / "crds"
GROUP = "opsjob.io/v1alpha1"


@pytest.fixture(scope="module", autouse=True)
def templates(cluster: Cluster) -> None:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    cluster.kubectl("wait", "--for=condition=Established", "-f", str(CRDS), "--timeout=300s")
    full = {
        "description": "All there is to say",
        "script": "echo {{x}} '升级'\n",
        "check": "false",
        "required": False,
        "gpuVendor": "amd",
        "shell": "/bin/bash",
        "timeoutSecond": 60,
    }
    cluster.apply(
        {"apiVersion": GROUP, "kind": "AddonTemplate", "metadata": {"name": "kubetest-full"}, "spec": full},
        {
            "apiVersion": GROUP,
            "kind": "AddonTemplate",
            "metadata": {"name": "kubetest-least"},
            "spec": {"description": "The least there is to say", "script": "true"},
        },
        {
            "apiVersion": GROUP,
            "kind": "NodeTemplate",
            "metadata": {"name": "kubetest-node"},
            "spec": {"description": "Two in order", "addonTemplates": ["kubetest-least", "kubetest-full"]},
        },
    )


async def test_an_addon_template_with_everything(api: Api) -> None:
    assert await addon_template(api, "kubetest-full") == AddonTemplate(  # noqa: S604 - a field, no call of a shell
        name="kubetest-full",
        description="All there is to say",
        script="echo {{x}} '升级'\n",
        check="false",
        required=False,
        gpu_vendor="amd",
        shell="/bin/bash",
        timeout_second=60,
    )


async def test_an_addon_template_with_defaults(api: Api) -> None:
    found = await addon_template(api, "kubetest-least")
    assert found == AddonTemplate(name="kubetest-least", description="The least there is to say", script="true")


async def test_a_node_template_keeps_its_order(api: Api) -> None:
    assert await node_template(api, "kubetest-node") == ["kubetest-least", "kubetest-full"]


async def test_lists_hold_what_the_single_ones_are(api: Api) -> None:
    addons = {one.name: one for one in await addon_templates(api)}
    for name in ("kubetest-full", "kubetest-least"):
        assert addons[name] == await addon_template(api, name)
    (node,) = [one for one in await node_templates(api) if one.name == "kubetest-node"]
    assert node == NodeTemplate("kubetest-node", ("kubetest-least", "kubetest-full"), "Two in order")


@pytest.mark.parametrize("name", ["never", "", "../nodetemplates/kubetest-node", "kubetest-least?watch=true"])
async def test_what_is_not_there_or_cannot_be_is_none(api: Api, name: str) -> None:
    assert await addon_template(api, name) is None
    assert await node_template(api, name) is None
