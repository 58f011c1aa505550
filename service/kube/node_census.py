"""How many nodes jobs hold, for monitoring."""

from datetime import datetime

from service.jobs.monitoring import NodeCensus
from service.kube import nodes
from service.kube.adapter import Adapter
from workflow_templates.protocol import labels, node_lock, node_state
from workflow_templates.protocol.api_path import api_path
from workflow_templates.protocol.node_state import Object

#: Of a cluster's nodes, which may be thousands, only those that this finds are sent.
_CORDONED = {"fieldSelector": "spec.unschedulable=true"}


class NodeCensusTaker(Adapter):
    async def node_census(self) -> NodeCensus:
        path = api_path("coordination.k8s.io/v1", "leases", namespace=self._settings.jobs_namespace)
        locks = [lock async for lock in self._api.list(path) if node_lock.node_of(lock) and node_lock.holder(lock)]
        cordoned = [node async for node in self._api.list(nodes.PATH, _CORDONED, metadata=True)]
        return NodeCensus(
            locked=len(locks),
            oldest_lock=min(map(_taken, locks), default=None),
            cordoned=sum(labels.CORDONED_BY in node_state.annotations(node) for node in cordoned),
            left_cordoned=sum(labels.LEFT_CORDONED in node_state.annotations(node) for node in cordoned),
        )

    async def left_cordoned(self) -> dict[str, str]:
        cordoned = self._api.list(nodes.PATH, _CORDONED, metadata=True)
        left = {node["metadata"]["name"]: node_state.left_cordoned_by(node) async for node in cordoned}
        return {name: job_id for name, job_id in left.items() if job_id}


def _taken(lock: Object) -> datetime:
    return nodes.moment(lock["spec"].get("acquireTime") or lock["metadata"]["creationTimestamp"])
