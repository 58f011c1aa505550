"""reboot: what the chart's values say about it, as parameters of the job's Workflow (contract: reboot)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.request_faults import Fault, FaultCode
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.preparation import Work

#: The file of the command that its host steps read.
COMMAND = "reboot.sh"
#: Each node leaves about 25 entries in the Workflow, and the object must fit into etcd.
MAX_NODES = 200


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

    async def prepare(self, order: Order, selection: Selection) -> Work:  # noqa: ARG002  # all it needs is planned
        planned = len(selection.plan.nodes)
        too_many = f"{planned} nodes are selected; one job reboots at most {MAX_NODES}, one after another"
        return Work(
            parameters={
                "nodes": json.dumps(selection.plan.names),
                "evict-seconds": str(self.evict_seconds),
                "evict-unmanaged": json.dumps(self.evict_unmanaged),
                "delete-emptydir-data": json.dumps(self.delete_empty_dir_data),
                "kept-namespaces": ",".join(self.kept_namespaces),
                "come-back-seconds": str(self.come_back_seconds),
            },
            files={COMMAND: f"{self.command}\n"},
            faults=(Fault("inputs", too_many, FaultCode.LIMIT_EXCEEDED),) if planned > MAX_NODES else (),
        )
