"""How many nodes jobs hold, as Leases and Nodes say."""

from typing import Any

from aiohttp import web

from service.jobs.monitoring import NodeCensus
from service.kube.client import KubeSettings
from service.kube.node_census import NodeCensusTaker
from service.kube.nodes import moment
from tests.unit.kube.conftest import Served
from workflow_templates.protocol import labels

FIRST, SECOND = "2026-05-01T12:00:00.000000Z", "2026-05-01T13:00:00.000000Z"


def lease(name: str, holder: str, taken: str = "") -> dict[str, Any]:
    metadata = {"name": name, "creationTimestamp": SECOND}
    return {"metadata": metadata, "spec": {"holderIdentity": holder, **({"acquireTime": taken} if taken else {})}}


def node(name: str, **marks: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": marks}}


async def test_it_counts_node_locks_and_whose_cordons_there_are(served: Served) -> None:
    asked = []
    leases = [
        lease("node-a", "job-1", SECOND),
        lease("node-b", "job-2", FIRST),
        lease("node-c", "job-2"),
        lease("node-free", ""),
        lease("control-plane-reboot", "job-1", "2020-01-01T00:00:00Z"),
    ]
    cordoned = [
        node("a", **{labels.CORDONED_BY: "job-1"}),
        node("d", **{labels.LEFT_CORDONED: "job job-0: it did not come back"}),
        node("e", **{"a person": "did it"}),
    ]

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.query.get("fieldSelector"))
        return web.json_response({"metadata": {}, "items": leases if "leases" in request.path else cordoned})

    async with served(answer) as api:
        taker = NodeCensusTaker(api, KubeSettings())
        found = await taker.node_census()
        assert await taker.left_cordoned() == {"d": "job-0"}
    assert found == NodeCensus(locked=3, oldest_lock=moment(FIRST), cordoned=1, left_cordoned=1)
    assert asked == [None, "spec.unschedulable=true", "spec.unschedulable=true"]
