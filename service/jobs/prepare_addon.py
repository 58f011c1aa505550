"""addon: which addon templates an order runs, snapshotted as they are now (contract: addon)."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from service.domain import addon
from service.domain.cluster_objects import AddonTemplate
from service.domain.request_faults import Fault, FaultCode, shown
from service.domain.selection import Selection
from service.jobs.order import Order, Retry
from service.jobs.ports import Cluster
from service.jobs.preparation import MAX_FILES_BYTES, Work
from service.jobs.rollouts import rolled_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Addons:
    """Fills service.jobs.preparation.Kind for addon jobs."""

    cluster: Cluster
    #: Pods in these do not keep a node busy (docs/decisions/0008).
    system_namespaces: Sequence[str]

    async def prepare(self, order: Order, selection: Selection) -> Work:
        faults: list[Fault] = []
        if order.retry:
            snapshot = await _kept(order, order.retry, self.cluster, faults)
        else:
            snapshot = addon.snapshot(await _templates(order, self.cluster, faults))
        if len(snapshot.encode()) > MAX_FILES_BYTES:
            message = f"the scripts of all templates together are over {MAX_FILES_BYTES} bytes"
            faults.append(Fault("inputs", message, FaultCode.LIMIT_EXCEEDED))
        work = Work(
            parameters={
                **addon.parameters(selection.plan, order.options),
                "system-namespaces": ",".join(self.system_namespaces),
            },
            files={addon.SNAPSHOT: snapshot},
            faults=tuple(faults),
        )
        planned = len(selection.plan.nodes)
        may_fail = planned - addon.required(selection.plan, order.options)
        return _one_pod_a_node(rolled_out(work, order, selection, failure_limit=may_fail), planned)


def _one_pod_a_node(work: Work, planned: int) -> Work:
    """With a rollout its limits take the place of batchCount and availableRatio; a pod is a node."""
    if work.rollout is None:
        return work
    rollout = work.rollout.rollout
    counts = {"batch-count": str(rollout.at_once), "required": str(planned - rollout.failure_limit)}
    return replace(work, parameters={**work.parameters, **counts}, parallelism=rollout.at_once)


async def _kept(order: Order, retry: Retry, cluster: Cluster, faults: list[Fault]) -> str:
    """The snapshot of the job that is retried, as it was; a template that was withdrawn since is not run again."""
    snapshot = retry.files.get(addon.SNAPSHOT, "")
    if not snapshot:
        message = f"what {retry.job_id} ran is not kept any more: create a new job"
        faults.append(Fault("", message, FaultCode.UNKNOWN_TEMPLATE))
        return snapshot
    withdrawn = f"which {retry.job_id} ran, any more: what was withdrawn is not run again"
    for entry in json.loads(snapshot)["templates"]:
        if await cluster.addon_template(entry["name"]) is None:
            message = f"there is no addon template {shown(entry['name'])}, {withdrawn}"
            faults.append(Fault("", message, FaultCode.UNKNOWN_TEMPLATE))
    for name in dict.fromkeys(order.values("node.template")):
        if await cluster.node_template(name) is None:
            message = f"there is no node template {shown(name)}, {withdrawn}"
            faults.append(Fault("", message, FaultCode.UNKNOWN_TEMPLATE))
    return snapshot


async def _templates(order: Order, cluster: Cluster, faults: list[Fault]) -> list[AddonTemplate]:
    """The addons in the order they run: addon.template inputs first, then those of node.template; each of them once."""
    found: dict[str, AddonTemplate] = {}
    async for path, name, origin in _names(order, cluster, faults):
        if name in found:
            continue
        template = await cluster.addon_template(name)
        if template:
            found[name] = template
        else:
            faults.append(Fault(path, f"there is no addon template {shown(name)}{origin}", FaultCode.UNKNOWN_TEMPLATE))
    return list(found.values())


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
                faults.append(Fault(path, f"there is no node template {shown(item.value)}", FaultCode.UNKNOWN_TEMPLATE))
            for name in listed or ():
                yield path, name, f", which node template {item.value!r} lists"
