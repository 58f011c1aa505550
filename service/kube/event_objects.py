"""Kubernetes Events on nodes, which `kubectl describe node` shows."""

from service.jobs.node_events import NodeEvent
from service.kube.adapter import Adapter
from service.kube.client import ConflictError
from workflow_templates.protocol.api_path import api_path

#: Where events of objects without a namespace live.
_PATH = api_path("v1", "events", namespace="default")
_MESSAGE_CHARACTERS = 1000
_NAME_CHARACTERS = 253


class EventObjects(Adapter):
    async def write_node_event(self, event: NodeEvent) -> None:
        """Of one name for each job, reason and node: a leader that begins again writes none twice."""
        now = self._api.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        name = f"{event.job_id}.{event.reason.lower()}.{event.node}"[:_NAME_CHARACTERS].rstrip(".-")
        written = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": "default"},
            # As kubelets name their node: kubectl looks for both.
            "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": event.node, "uid": event.node},
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason,
            "message": event.message[:_MESSAGE_CHARACTERS],
            "source": {"component": "opsjobs"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await self._api.create(_PATH, written)
        except ConflictError:
            return
