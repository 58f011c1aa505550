from typing import Any

from aiohttp import web

from service.jobs.node_events import NodeEvent
from service.kube.client import KubeSettings
from service.kube.event_objects import EventObjects
from tests.unit.kube.conftest import Served


async def test_an_event_of_a_node_is_written_once_and_stands_where_kubectl_looks(served: Served) -> None:
    created: list[tuple[str, Any]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        created.append((request.path, await request.json()))
        conflict = {"kind": "Status", "status": "Failure", "reason": "AlreadyExists", "code": 409}
        return web.json_response(conflict, status=409) if len(created) > 1 else web.json_response({}, status=201)

    event = NodeEvent("gpu-1", "fix-abc123", "AddonFailed", "x" * 5_000, warning=True)
    async with served(answer) as api:
        events = EventObjects(api, KubeSettings())
        for _ in range(2):
            await events.write_node_event(event)
    path, written = created[0]
    assert path == "/api/v1/namespaces/default/events"
    assert written["metadata"] == {"name": "fix-abc123.addonfailed.gpu-1", "namespace": "default"}
    assert written["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": "gpu-1", "uid": "gpu-1"}
    assert (written["type"], written["reason"], len(written["message"])) == ("Warning", "AddonFailed", 1000)
    assert created[0][1]["metadata"] == created[1][1]["metadata"]
