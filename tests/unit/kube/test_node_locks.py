"""What the service does with the locks and cordon marks of jobs that are over."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from service.kube.client import KubeSettings
from service.kube.node_locks import NodeLocks
from tests.unit.kube.conftest import Served
from tests.unit.workflow_templates.apiserver import merge
from workflow_templates.protocol import labels, node_lock
from workflow_templates.protocol.cordon_patches import CordonNote, giving_back
from workflow_templates.protocol.node_lock import RebootNote, Work

LEASES = "/apis/coordination.k8s.io/v1/namespaces/opsjobs-jobs/leases"
LOCK, TURN = f"{LEASES}/node-gpu-1", f"{LEASES}/{node_lock.CONTROL_PLANE}"
NODE, PODS = "/api/v1/nodes/gpu-1", "/api/v1/namespaces/opsjobs-jobs/pods"
#: By the apiserver's clock, which is far ahead of the service's.
NOW = datetime.now(UTC).replace(microsecond=0) + timedelta(days=400)
MARKED = {labels.CORDONED_BY: "job-1", labels.CORDONED_BEFORE: "false"}


class Kubernetes:
    """A node that job-1 has locked and cordoned."""

    def __init__(self, notes: dict[str, str], *, boot_id: str = "old", ready: str = "True") -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.pods: list[dict[str, Any]] = []
        self.at_delete: Any = None
        self.put(LOCK, metadata={"annotations": notes}, spec={"holderIdentity": "job-1"})
        status = {"nodeInfo": {"bootID": boot_id}, "conditions": [{"type": "Ready", "status": ready}]}
        self.put(NODE, metadata={"annotations": MARKED}, spec={"unschedulable": True}, status=status)

    def put(self, path: str, metadata: Any, **fields: Any) -> None:
        own = {"name": path.rpartition("/")[2], "uid": "u", "resourceVersion": str(len(self.objects))}
        self.objects[path] = {"metadata": {**own, **metadata}, **fields}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        status, body = self.respond(request.method, request.path, await request.json() if request.body_exists else None)
        response = web.json_response(body, status=status)
        response.headers["Date"] = format_datetime(NOW, usegmt=True)
        return response

    def respond(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == PODS:
            return 200, {"metadata": {}, "items": self.pods}
        if path == LEASES:
            return 200, {"metadata": {}, "items": [item for path, item in self.objects.items() if LEASES in path]}
        if path not in self.objects:
            return 404, {}
        if method == "PATCH":
            self.objects[path] = merge(self.objects[path], body)
        if method == "DELETE":
            if self.at_delete:
                self.at_delete()
            if body["preconditions"]["resourceVersion"] != self.objects[path]["metadata"]["resourceVersion"]:
                return 409, {}
            del self.objects[path]
            return 200, {}
        return 200, self.objects[path]

    @property
    def cordon(self) -> tuple[bool, dict[str, str]]:
        node = self.objects[NODE]
        return bool(node["spec"].get("unschedulable")), node["metadata"]["annotations"]


async def give_back(served: Served, kubernetes: Kubernetes, **how: bool) -> str:
    async with served(kubernetes.answer) as api:
        await api.get("/version")
        return await NodeLocks(api, KubeSettings()).give_back_node("gpu-1", "job-1", **how)


def told(seconds_ago: float) -> dict[str, str]:
    return {labels.TOLD_TO_REBOOT: RebootNote(NOW - timedelta(seconds=seconds_ago), "old", None, 600).text()}


async def test_a_node_is_given_back_and_its_lock_freed(served: Served) -> None:
    kubernetes = Kubernetes({})
    assert await give_back(served, kubernetes) == ""
    assert kubernetes.cordon == (False, {})
    assert LOCK not in kubernetes.objects


@pytest.mark.parametrize("at_once", [True, False])
async def test_not_while_a_reboot_is_pending_whose_job_was_terminated(served: Served, *, at_once: bool) -> None:
    """`argo terminate` runs no clean-up: the host would go down under the next job, and under new pods."""
    kubernetes = Kubernetes(told(30))
    assert await give_back(served, kubernetes, at_once=at_once) == (
        "" if at_once else "the reboot that it began is pending"
    )
    assert kubernetes.cordon[0] is not at_once
    assert (LOCK in kubernetes.objects) is not at_once


@pytest.mark.parametrize(
    ("notes", "rebooting"),
    [(told(30), {"gpu-1"}), (told(601), set()), ({labels.WORK_BEGUN: Work("job-1", "old").text()}, set())],
    ids=["on its way", "not back in time", "scripts only"],
)
async def test_a_node_is_rebooting_until_it_must_be_back(
    served: Served, notes: dict[str, str], rebooting: set[str]
) -> None:
    async with served(Kubernetes(notes).answer) as api:
        await api.get("/version")
        assert await NodeLocks(api, KubeSettings()).rebooting() == rebooting


async def test_once_it_is_back_it_is_given_back(served: Served) -> None:
    kubernetes = Kubernetes(told(30), boot_id="new")
    assert await give_back(served, kubernetes) == ""
    assert kubernetes.cordon == (False, {})
    assert LOCK not in kubernetes.objects


async def test_one_that_does_not_come_back_in_time_stays_cordoned_and_is_free(served: Served) -> None:
    kubernetes = Kubernetes(told(601), ready="Unknown")
    assert await give_back(served, kubernetes) == ""
    assert kubernetes.cordon == (
        True,
        {labels.LEFT_CORDONED: "job job-1: the node went away and did not come back within 600 s"},
    )
    assert LOCK not in kubernetes.objects


async def test_not_while_its_script_runs_on_a_silent_node(served: Served) -> None:
    kubernetes = Kubernetes({labels.WORK_BEGUN: Work("job-1", "old").text()}, ready="Unknown")
    running = [{"name": "main", "state": {"running": {}}}]
    kubernetes.pods = [{"status": {"phase": "Failed", "reason": "NodeLost", "containerStatuses": running}}]
    assert "has not ended" in await give_back(served, kubernetes)
    assert kubernetes.cordon == (True, MARKED)
    assert node_lock.is_over(kubernetes.objects[LOCK]), "a reboot, which ends the script, may take it over"
    running[0]["state"] = {"terminated": {"exitCode": 137}}
    assert await give_back(served, kubernetes) == ""
    assert kubernetes.cordon == (False, {})


async def test_what_is_noted_in_between_keeps_the_lock(served: Served) -> None:
    kubernetes = Kubernetes({})
    kubernetes.at_delete = lambda: kubernetes.objects[LOCK]["metadata"].update(resourceVersion="99")
    assert await give_back(served, kubernetes) == ""
    assert LOCK in kubernetes.objects


async def test_another_jobs_lock_stays_and_a_mark_that_was_left_goes(served: Served) -> None:
    kubernetes = Kubernetes({})
    kubernetes.objects[LOCK]["spec"]["holderIdentity"] = "job-2"
    await give_back(served, kubernetes)
    assert LOCK in kubernetes.objects
    assert kubernetes.cordon == (False, {})


@pytest.mark.parametrize(
    ("holder", "node", "freed"), [("job-1", "gpu-1", True), ("job-2", "gpu-1", False), ("job-1", "o", False)]
)
async def test_the_turn_of_the_control_plane_goes_with_the_node(
    served: Served, holder: str, node: str, *, freed: bool
) -> None:
    kubernetes = Kubernetes({})
    kubernetes.put(TURN, {"annotations": {labels.NODE: node}}, spec={"holderIdentity": holder})
    await give_back(served, kubernetes)
    assert (TURN not in kubernetes.objects) is freed


@pytest.mark.parametrize(
    ("name", "held", "left"),
    [
        ("node-gpu-1", "job-1", {f"{LEASES}/export-x"}),
        (node_lock.CONTROL_PLANE, "job-1", {LOCK, TURN, f"{LEASES}/export-x"}),  # it goes with the node
        ("export-x", "job-1", {LOCK, TURN}),
        ("export-x", "job-2", {LOCK, TURN, f"{LEASES}/export-x"}),
        ("gone", "job-1", {LOCK, TURN, f"{LEASES}/export-x"}),
    ],
)
async def test_whatever_a_lost_job_has_is_freed(served: Served, name: str, held: str, left: set[str]) -> None:
    kubernetes = Kubernetes({})
    kubernetes.put(TURN, {"annotations": {labels.NODE: "gpu-1"}}, spec={"holderIdentity": "job-1"})
    kubernetes.put(f"{LEASES}/export-x", {}, spec={"holderIdentity": "job-1"})
    async with served(kubernetes.answer) as api:
        locks = NodeLocks(api, KubeSettings())
        kubernetes.put(f"{LEASES}/waiting-job-1", {"ownerReferences": [{}]}, spec={"holderIdentity": "job-1"})
        assert await locks.leases() == dict.fromkeys(("node-gpu-1", node_lock.CONTROL_PLANE, "export-x"), "job-1")
        del kubernetes.objects[f"{LEASES}/waiting-job-1"]
        await locks.free_lease(name, held)
    assert {path for path in kubernetes.objects if LEASES in path} == left


async def test_a_turn_without_its_nodes_lock_is_freed(served: Served) -> None:
    """A person deletes the lock of a node: it is theirs to free it."""
    kubernetes = Kubernetes({})
    kubernetes.put(TURN, {"annotations": {labels.NODE: "gpu-1"}}, spec={"holderIdentity": "job-1"})
    kubernetes.objects[LOCK]["spec"]["holderIdentity"] = "job-2"
    async with served(kubernetes.answer) as api:
        await NodeLocks(api, KubeSettings()).free_lease(node_lock.CONTROL_PLANE, "job-1")
    assert TURN not in kubernetes.objects


async def test_a_node_object_that_came_anew_is_cordoned_as_the_one_before_was(served: Served) -> None:
    note = CordonNote("another", NOW, before=True, left="job job-0: it was sick")
    kubernetes = Kubernetes({labels.CORDON_NOTE: note.text()})
    kubernetes.put(NODE, {"annotations": {}}, spec={}, status={})
    await give_back(served, kubernetes)
    assert kubernetes.cordon == (True, {labels.LEFT_CORDONED: "job job-1: job job-0: it was sick"})


def marked(by: str, before: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {labels.CORDONED_BY: by, labels.CORDONED_BEFORE: before}}}


@pytest.mark.parametrize("node", [marked("job-2", "false"), {"metadata": {}}, {"metadata": {"annotations": {}}}])
def test_a_cordon_that_is_not_this_jobs_stays(node: dict[str, Any]) -> None:
    assert giving_back(node, "job-1") is None
