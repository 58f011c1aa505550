"""dumplog: which pods an order means, as they are now; what they wrote is for the job's step to collect."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.domain.cluster_objects import Workload
from service.domain.reach import WORKLOAD
from service.domain.request_faults import Fault, FaultCode
from service.domain.selection import Selection
from service.jobs.order import Order
from service.jobs.preparation import MAX_FILES_BYTES, Work
from service.jobs.prepare_node_logs import NodeLogs, NodeLogSettings

#: The file that the step reads (workflow_templates/dumplog/archive_request.py).
ASKED = "dumplog.json"


@dataclass(frozen=True, slots=True)
class Archived:
    """Whose logs the archive of a job may hold."""

    namespaces: frozenset[str]
    nodes: frozenset[str]

    @classmethod
    def of(cls, work: Mapping[str, Any]) -> "Archived | None":
        """As it was written down for the job's step; None: that is not known."""
        text = work.get("files", {}).get(ASKED)
        if text is None:
            return None
        asked = json.loads(text)
        return cls(
            namespaces=frozenset(workload["namespace"] for workload in asked["workloads"]),
            nodes=frozenset(asked.get("nodeLogs", {}).get("nodes", ())),
        )


class DumplogSettings(NodeLogSettings, frozen=True):
    """The chart's values dumplog.*."""

    #: Space on its node that a job may use for compressed logs on their way to the store.
    scratch_mebibytes: int = 8192
    #: Where the job's step may read logs, and whether it may everywhere.
    namespaces: frozenset[str] = frozenset()
    all_namespaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dumplogs:
    """Fills service.jobs.preparation.Kind for dumplog jobs."""

    #: By which labels pods were looked for beside their owners, to say so where there are none.
    workload_labels: Sequence[str]
    settings: DumplogSettings
    #: How the logs of nodes are read; None: they are not collected here.
    node_logs: NodeLogs | None = None

    async def prepare(self, order: Order, selection: Selection) -> Work:
        content = {
            "workloads": [
                {"name": workload.name, "namespace": workload.namespace, "pods": workload.pods}
                for workload in selection.workloads
            ],
            "nodes": order.values("node"),
            "excludedNodes": order.options.get("excludedNodes", ()),
            "lookedFor": self._looked_for(selection.workloads),
        }
        parameters = {"scratch-mebibytes": str(self.settings.scratch_mebibytes)}
        parallelism = 0
        if self.node_logs and not selection.faults:
            nodes = await self.node_logs.planned(order, selection.workloads)
            content["nodeLogs"] = {"nodes": nodes.names, "leftOut": nodes.left_out}
            parameters |= self.node_logs.parameters(nodes)
            parallelism = self.node_logs.at_once
        asked = json.dumps(content)
        too_long = Fault("inputs", f"the names of all pods together are over {MAX_FILES_BYTES} bytes: ask for fewer")
        unreadable = self._unreadable(order, selection.workloads)
        return Work(
            parameters=parameters,
            files={ASKED: asked},
            parallelism=parallelism,
            faults=(*unreadable, too_long) if len(asked) > MAX_FILES_BYTES else unreadable,
        )

    def _unreadable(self, order: Order, workloads: Sequence[Workload]) -> tuple[Fault, ...]:
        """Where the step would be refused, which its caller, who may read there, would learn from the archive."""
        if self.settings.all_namespaces:
            return ()
        readable = self.settings.namespaces
        beyond = {workload.name: workload.namespace for workload in workloads if workload.namespace not in readable}
        return tuple(
            Fault(
                f"inputs[{index}].value",
                f"workload {item.value!r} is in namespace {beyond[item.value]}, where dumplog jobs may not read logs: "
                "whoever runs OpsJobs adds it to the chart's value dumplog.namespaces",
                FaultCode.NOT_ALLOWED,
            )
            for index, item in enumerate(order.inputs)
            if item.name == WORKLOAD and item.value in beyond
        )

    def _looked_for(self, workloads: Sequence[Workload]) -> str:
        names = " or ".join(f"{workload.name!r} in namespace {workload.namespace!r}" for workload in workloads)
        labels = f", and none was labelled with it under {', '.join(self.workload_labels)}" * bool(self.workload_labels)
        return f"no pod was workload {names} or had it among its owners{labels} when the job was submitted"
