"""reboot: what the chart's values say about it, as parameters of the job's Workflow (contract: reboot)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.domain.request_faults import Fault, FaultCode
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.preparation import Work
from service.jobs.rollouts import rolled_out

#: The file of the command that its host steps read.
COMMAND = "reboot.sh"
#: Each node leaves about 25 entries in the Workflow, and the object must fit into etcd.
MAX_NODES = 200
#: With a rollout about six (docs/decisions/0048).
MAX_ROLLOUT_NODES = 1000
#: By its key among the installed templates.
TEMPLATE_WITH_ROLLOUT = "reboot-rollout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reboots:
    """Fills service.jobs.preparation.Kind for reboot jobs. The parameters of a job no longer change with the values."""

    command: str
    evict_seconds: int
    evict_unmanaged: bool
    delete_empty_dir_data: bool
    come_back_seconds: int
    #: Pods in these go down and come back with their node instead of being evicted (docs/decisions/0011).
    kept_namespaces: Sequence[str]

    async def prepare(self, order: Order, selection: Selection) -> Work:
        rolls = order.options.get("rollout") is not None
        work = Work(
            template=TEMPLATE_WITH_ROLLOUT if rolls else "",
            parameters={
                "nodes": json.dumps(selection.plan.names),
                "evict-seconds": str(self.evict_seconds),
                "evict-unmanaged": json.dumps(self.evict_unmanaged),
                "delete-emptydir-data": json.dumps(self.delete_empty_dir_data),
                "kept-namespaces": ",".join(self.kept_namespaces),
                "come-back-seconds": str(self.come_back_seconds),
            },
            files={COMMAND: f"{self.command}\n"},
            faults=tuple(_too_many(len(selection.plan.nodes), rolls=rolls)),
        )
        return rolled_out(work, order, selection, failure_limit=0)


def _too_many(planned: int, *, rolls: bool) -> Iterator[Fault]:
    most, how = (MAX_ROLLOUT_NODES, "with a rollout") if rolls else (MAX_NODES, "one after another, without a rollout")
    if planned > most:
        message = f"{planned} nodes are selected; one job reboots at most {most} {how}"
        yield Fault("inputs", message, FaultCode.LIMIT_EXCEEDED)
