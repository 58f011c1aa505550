"""What a job's steps note at Leases, as the service reads it."""

from typing import Any

from aiohttp import web

from service.domain.rollout_progress import StepNotes
from service.kube import step_notes
from service.kube.client import KubeSettings
from tests.unit.kube.conftest import Served
from workflow_templates.protocol import labels, ledger

JOB = "roll-abc123"


def lease(name: str, **annotations: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"holderIdentity": JOB}}


async def read(served: Served, *leases: dict[str, Any]) -> StepNotes:
    async def answer(request: web.Request) -> web.Response:
        assert request.path.endswith("/namespaces/opsjobs-jobs/leases")
        assert request.query["labelSelector"] == f"{labels.JOB_ID}={JOB}"
        return web.json_response({"metadata": {}, "items": list(leases)})

    async with served(answer) as api:
        return await step_notes.read(api, KubeSettings(), JOB)


async def test_the_ledger_and_what_goes_on_at_each_locked_node(served: Served) -> None:
    found = await read(
        served,
        lease(ledger.name(JOB), **{labels.LEDGER: "ws."}),
        lease("node-gpu-1", **{labels.STAGE: "waits until it is Ready", labels.NODE: "gpu-1"}),
        lease("node-gpu-2", **{labels.NODE: "gpu-2"}),
        lease("something-else", **{labels.STAGE: "x"}),
    )
    assert found == StepNotes("ws.", {"gpu-1": "waits until it is Ready"}, at_work=frozenset({"gpu-1", "gpu-2"}))


async def test_a_node_that_waits_cordoned_for_its_pods_is_not_at_work(served: Served) -> None:
    waits = {labels.NODE: "gpu-1", labels.WAITS_CORDONED: "true"}
    found = await read(served, lease("node-gpu-1", **waits), lease("node-gpu-2", **{labels.NODE: "gpu-2"}))
    assert found.at_work == frozenset({"gpu-2"})


async def test_none_noted_anything_yet(served: Served) -> None:
    assert await read(served) == StepNotes(at_work=frozenset())
