"""GET /api/v1/addontemplates, /nodetemplates: for who may run them, and their text for who may read it anyway."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from service.domain.cluster_objects import AddonTemplate, Caller, NodeTemplate
from service.domain.job import JobType
from tests.unit.api.wired import client_of
from tests.unit.api.world import World

BOTH = ("/api/v1/addontemplates", "/api/v1/nodetemplates")


@dataclass
class Templates(World):
    reads: bool = False

    async def addon_templates(self) -> Sequence[AddonTemplate]:
        self.looked_at.append("templates")
        return [
            AddonTemplate("b", "echo secret", "does b", gpu_vendor="amd", required=False),
            AddonTemplate("a", "true"),
        ]

    async def node_templates(self) -> Sequence[NodeTemplate]:
        self.looked_at.append("templates")
        return [NodeTemplate("node", ("b", "a"), "both")]

    async def may_get_templates(self, who: Caller) -> bool:
        assert who.user_name == "alice"
        return self.reads


async def test_the_text_is_not_for_who_may_only_run_it() -> None:
    async with client_of(Templates().app()) as client:
        answer = await client.get(BOTH[0])
    assert answer.json() == {
        "items": [
            {"name": "a", "description": "", "required": True, "gpuVendor": ""},
            {"name": "b", "description": "does b", "required": False, "gpuVendor": "amd"},
        ]
    }


async def test_who_may_get_them_in_kubernetes_sees_the_text() -> None:
    async with client_of(Templates(reads=True).app()) as client:
        answer = await client.get(BOTH[0])
        again = await client.get(BOTH[0], headers={"If-None-Match": answer.headers["ETag"]})
    assert [(item["script"], item["check"]) for item in answer.json()["items"]] == [("true", ""), ("echo secret", "")]
    assert again.status_code == 304


async def test_a_node_template_says_what_it_runs_in_order() -> None:
    async with client_of(Templates().app()) as client:
        answer = await client.get(BOTH[1])
    assert answer.json() == {"items": [{"name": "node", "description": "both", "addonTemplates": ["b", "a"]}]}


@pytest.mark.parametrize("url", BOTH)
async def test_who_may_create_no_addon_is_told_nothing(url: str) -> None:
    world = Templates(creates=set(JobType) - {JobType.ADDON}, reads=True)
    async with client_of(world.app()) as client:
        answer = await client.get(url)
    assert answer.status_code == 403
    assert world.looked_at == []
    async with client_of(world.app(), who="") as client:
        assert (await client.get(url)).status_code == 401
