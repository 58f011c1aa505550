"""Which addon templates a job runs, and in which order (contract: addon)."""

import json
from collections.abc import Sequence
from typing import Any

from service.domain.cluster_objects import AddonTemplate
from service.domain.job import JobType, Named, Plan, PlannedNode
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.preparation import Work
from service.jobs.prepare_addon import Addons

LISTS = {"basics": ("limits", "sysctl", "limits"), "more": ("sysctl", "thp")}


class Templates:
    """The custom resources of a cluster, as far as these jobs ask for them."""

    async def addon_template(self, name: str) -> AddonTemplate | None:
        return None if name.startswith("no-") else AddonTemplate(name, f"echo {name}")

    async def node_template(self, name: str) -> Sequence[str] | None:
        return LISTS.get(name)


async def prepared(*inputs: tuple[str, str]) -> Work:
    cluster: Any = Templates()
    order = Order(name="a", type=JobType.ADDON, inputs=tuple(Named(*item) for item in inputs))
    plan = Plan((PlannedNode("n-1"),))
    return await Addons(cluster=cluster, system_namespaces=["kube-system"]).prepare(order, Selection(plan=plan))


def names(work: Work) -> list[str]:
    return [template["name"] for template in json.loads(work.files["addons.json"])["templates"]]


async def test_node_templates_run_after_addon_templates_whatever_their_place() -> None:
    work = await prepared(("node.template", "more"), ("addon.template", "limits"))
    assert names(work) == ["limits", "sysctl", "thp"]
    assert work.faults == ()


async def test_a_template_that_is_named_again_runs_once_where_it_was_named_first() -> None:
    work = await prepared(
        *(("addon.template", name) for name in ("thp", "limits", "thp")),
        ("node.template", "basics"),
        ("node.template", "more"),
    )
    assert names(work) == ["thp", "limits", "sysctl"]
    assert work.faults == ()


async def test_each_mention_of_a_template_that_is_not_there_is_a_fault() -> None:
    work = await prepared(("addon.template", "no-a"), ("addon.template", "no-a"), ("node.template", "none"))
    assert [(fault.path, fault.message) for fault in work.faults] == [
        ("inputs[0].value", "there is no addon template 'no-a'"),
        ("inputs[1].value", "there is no addon template 'no-a'"),
        ("inputs[2].value", "there is no node template 'none'"),
    ]
