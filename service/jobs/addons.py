from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from service.domain import addon
from service.domain.cluster import AddonTemplate
from service.domain.faults import Fault
from service.jobs.order import Order
from service.jobs.ports import Cluster

#: A ConfigMap holds 1 MiB; some of it is needed for its own fields.
MAX_SNAPSHOT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Addons:
    """The addons an order runs, as they are now, and what is wrong with the ones it names."""

    templates: Sequence[AddonTemplate]
    faults: Sequence[Fault]


async def addons_of(order: Order, cluster: Cluster) -> Addons:
    """The addons in the order they run: addon.template inputs first, then those of node.template (contract: addon)."""
    found: list[AddonTemplate] = []
    faults: list[Fault] = []
    async for path, name, origin in _names(order, cluster, faults):
        template = await cluster.addon_template(name)
        if template:
            found.append(template)
        else:
            faults.append(Fault(path, f"there is no addon template {name!r}{origin}"))
    if len(addon.snapshot(found).encode()) > MAX_SNAPSHOT_BYTES:
        faults.append(Fault("inputs", f"the scripts of all templates together are over {MAX_SNAPSHOT_BYTES} bytes"))
    return Addons(found, faults)


async def _names(order: Order, cluster: Cluster, faults: list[Fault]) -> AsyncIterator[tuple[str, str, str]]:
    """Each addon template's path in the body, its name, and where that name comes from."""
    numbered = [(f"inputs[{index}].value", item) for index, item in enumerate(order.inputs)]
    for path, item in numbered:
        if item.name == "addon.template":
            yield path, item.value, ""
    for path, item in numbered:
        if item.name == "node.template":
            listed = await cluster.node_template(item.value)
            if listed is None:
                faults.append(Fault(path, f"there is no node template {item.value!r}"))
            for name in listed or ():
                yield path, name, f", which node template {item.value!r} lists"
