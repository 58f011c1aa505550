"""Which nodes' own logs a dumplog job collects beside those of the workload: none that its caller may not read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from service.domain.cluster_objects import Workload
from service.jobs.order import Order
from service.jobs.ports import Cluster, Reviews

_NO_RIGHT = "the job's owner may not get nodes/log of it"


@dataclass(frozen=True, slots=True)
class Nodes:
    """A step runs on each of `names`; of those left out the archive says why."""

    names: Sequence[str]
    #: Node → why.
    left_out: Mapping[str, str]


class NodeLogSettings(BaseModel, frozen=True):
    """The chart's values dumplog.nodeLogs.*: whether, how far back, how much of it, and how long a node may take."""

    node_logs: bool = False
    node_log_hours: int = 24
    node_log_mebibytes: int = 16
    node_log_seconds: int = 180


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLogs:
    cluster: Cluster
    reviews: Reviews
    settings: NodeLogSettings
    #: Steps on nodes at the same time.
    at_once: int = 100

    async def planned(self, order: Order, workloads: Sequence[Workload]) -> Nodes:
        """The nodes of the workloads' pods, narrowed as the pods are.

        A node that is down is left out here: its step would only wait.
        """
        wanted = sorted(frozenset[str]().union(*(workload.nodes for workload in workloads)))
        if named := order.values("node"):
            wanted = [name for name in wanted if name in named]
        wanted = [name for name in wanted if name not in order.options.get("excludedNodes", ())]
        readable = await self.reviews.readable_nodes(order.caller, wanted) if order.caller else frozenset[str]()
        ready = {node.name: node.ready for node in await self.cluster.nodes(readable)} if readable else {}
        left_out = {}
        for name in wanted:
            if name not in readable:
                left_out[name] = _NO_RIGHT
            elif name not in ready:
                left_out[name] = "is not in the cluster any more"
            elif not ready[name]:
                left_out[name] = "is NotReady"
        return Nodes([name for name in wanted if name not in left_out], left_out)

    def parameters(self, nodes: Nodes) -> dict[str, str]:
        """What the template with steps on nodes has beside the usual one."""
        return {
            "nodes": json.dumps(nodes.names),
            "node-log-hours": str(self.settings.node_log_hours),
            "node-log-mebibytes": str(self.settings.node_log_mebibytes),
            "node-log-seconds": str(self.settings.node_log_seconds),
        }
