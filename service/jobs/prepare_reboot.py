"""reboot: what the chart's values say about it, as parameters of the job's Workflow (contract: reboot)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

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
MAX_ROLLOUT_NODES = 700
#: By its key among the installed templates.
TEMPLATE_WITH_ROLLOUT = "reboot-rollout"


class RebootSettings(BaseModel, frozen=True):
    """The chart's values reboot.*: what is run on the host, and how long is waited."""

    command: str = "systemd-run --on-active=10s --timer-property=AccuracySec=100ms systemctl reboot"
    evict_seconds: int = 600
    evict_unmanaged: bool = False
    delete_empty_dir_data: bool = True
    come_back_seconds: int = 1800
    #: Pods in these go down and come back with their node instead of being evicted (docs/decisions/0011).
    kept_namespaces: Sequence[str] = ("argo",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reboots:
    """Fills service.jobs.preparation.Kind for reboot jobs. The parameters of a job no longer change with the values."""

    settings: RebootSettings
    #: The service's own, whose pods are kept likewise.
    namespace: str

    async def prepare(self, order: Order, selection: Selection) -> Work:
        settings = self.settings
        rolls = order.options.get("rollout") is not None
        work = Work(
            template=TEMPLATE_WITH_ROLLOUT if rolls else "",
            parameters={
                "nodes": json.dumps(selection.plan.names),
                "evict-seconds": str(settings.evict_seconds),
                "evict-unmanaged": json.dumps(settings.evict_unmanaged),
                "delete-emptydir-data": json.dumps(settings.delete_empty_dir_data),
                "kept-namespaces": ",".join((*settings.kept_namespaces, self.namespace)),
                "come-back-seconds": str(settings.come_back_seconds),
            },
            files={COMMAND: f"{settings.command}\n"},
            faults=tuple(_too_many(len(selection.plan.nodes), rolls=rolls)),
        )
        return rolled_out(work, order, selection, failure_limit=0)


def _too_many(planned: int, *, rolls: bool) -> Iterator[Fault]:
    most, how = (MAX_ROLLOUT_NODES, "with a rollout") if rolls else (MAX_NODES, "one after another, without a rollout")
    if planned > most:
        message = f"{planned} nodes are selected; one job reboots at most {most} {how}"
        yield Fault("inputs", message, FaultCode.LIMIT_EXCEEDED)
