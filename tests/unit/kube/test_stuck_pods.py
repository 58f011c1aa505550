"""Which step pods are ended because they do not start, or because their node is lost, and how."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from service.kube.client import KubeSettings
from service.kube.stuck_pods import end_stuck_pods
from tests.unit.kube.conftest import Served

SETTINGS = KubeSettings(start_seconds=600)
NO_ROOM = "0/3 nodes are available: 1 Too many pods"
UNSCHEDULABLE = {
    "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": NO_ROOM}]
}
NO_IMAGE = {
    "initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 0}}}],
    "containerStatuses": [
        {"name": "wait", "state": {"waiting": {"reason": "PodInitializing"}}},
        {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}},
    ],
}


def pod(  # noqa: PLR0913 - what tells pods apart
    name: str,
    *,
    age: int,
    node: str = "",
    status: Any = None,
    deadline: int | None = None,
    account: str = "opsjob-addon",
    step: str = "node",
) -> dict[str, Any]:
    fields = [{"key": "metadata.name", "operator": "In", "values": ["n1" if name != "for-gone" else "n9"]}]
    required = {"nodeSelectorTerms": [{"matchFields": fields}]}
    created = (datetime.now(UTC) - timedelta(seconds=age)).isoformat(timespec="seconds").replace("+00:00", "Z")
    spec: dict[str, Any] = {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}
    spec |= {"nodeName": node} if node else {}
    spec |= {"activeDeadlineSeconds": deadline} if deadline else {}
    spec["serviceAccountName"] = account
    metadata = {
        "name": name,
        "creationTimestamp": created,
        "resourceVersion": "7",
        "labels": {"opsjob.io/step": step},
        "annotations": {"workflows.argoproj.io/node-id": f"job-1-{name}"},
    }
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Pending", **(status or {})}}


class Kubernetes:
    """Pods that have not started, one node, reports of steps that are not finished, and what is changed of them."""

    def __init__(
        self, *pods: dict[str, Any], conflict: bool = False, reports: Sequence[str] = (), ready: str = "True"
    ) -> None:
        self.pods, self.conflict, self.reports, self.ready = pods, conflict, reports, ready
        self.patches: dict[str, Any] = {}
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "PATCH":
            if self.conflict:
                return web.json_response({"message": "it changed"}, status=409)
            self.patches[request.path.partition("/namespaces/opsjobs-jobs/")[2]] = await request.json()
            return web.json_response({})
        if request.path.endswith("/nodes"):
            since = (datetime.now(UTC) - timedelta(seconds=400)).isoformat()
            status = {"conditions": [{"type": "Ready", "status": self.ready, "lastTransitionTime": since}]}
            node = {"metadata": {"name": "n1", "creationTimestamp": since}, "status": status}
            return web.json_response({"metadata": {}, "items": [node]})
        if request.path.endswith("/workflowtaskresults"):
            return web.json_response({"metadata": {}, "items": [{"metadata": {"name": one}} for one in self.reports]})
        self.asked.append(dict(request.query))
        return web.json_response({"metadata": {}, "items": list(self.pods)})


async def given_up(served: Served, kubernetes: Kubernetes, not_ready_seconds: int = 300) -> list[str]:
    async with served(kubernetes.answer) as api:
        return list(await end_stuck_pods(api, SETTINGS, not_ready_seconds))


async def test_only_what_is_late_is_given_up_each_in_the_way_that_lasts(served: Served) -> None:
    kubernetes = Kubernetes(
        pod("no-room-yet", age=60, status=UNSCHEDULABLE),
        pod("no-room", age=700, status=UNSCHEDULABLE),
        pod("no-image-yet", age=60, node="n1", status=NO_IMAGE),
        pod("no-image", age=700, node="n1", status=NO_IMAGE),
    )
    assert await given_up(served, kubernetes) == ["no-room", "no-image"]
    version = {"resourceVersion": "7"}
    message = f"could not be started within 600 s: Unschedulable: {NO_ROOM}"
    assert kubernetes.patches == {
        "pods/no-room/status": {
            "metadata": version,
            "status": {"phase": "Failed", "reason": "NeverStarted", "message": message},
        },
        "pods/no-image": {"metadata": version, "spec": {"activeDeadlineSeconds": 1}},
    }


@pytest.mark.parametrize(("ahead", "late"), [(1200, ["p"]), (0, []), (-1200, [])])
async def test_what_is_late_is_so_by_the_apiservers_clock(served: Served, ahead: int, late: list[str]) -> None:
    """Which wrote when a pod was created; the service's own may be twenty minutes off."""
    kubernetes = Kubernetes(pod("p", age=60, status=UNSCHEDULABLE))

    async def by_another_clock(request: web.Request) -> web.StreamResponse:
        response = await kubernetes.answer(request)
        response.headers["Date"] = format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)
        return response

    async with served(by_another_clock) as api:
        assert list(await end_stuck_pods(api, SETTINGS, 300)) == late


async def test_a_node_that_is_gone_is_not_waited_for(served: Served) -> None:
    kubernetes = Kubernetes(pod("for-gone", age=1, status=UNSCHEDULABLE), pod("for-n1", age=1))
    assert await given_up(served, kubernetes) == ["for-gone"]
    assert kubernetes.patches["pods/for-gone/status"]["status"]["message"] == "node n9 is gone from the cluster"


def begun(seconds: int, *init: dict[str, Any], sandbox: str = "False") -> dict[str, Any]:
    """The status of a pod that its kubelet began so many seconds ago."""
    since = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z")
    waiting = {"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}
    conditions = [{"type": "PodReadyToStartContainers", "status": sandbox}]
    return {
        "startTime": since,
        "conditions": conditions,
        "initContainerStatuses": list(init),
        "containerStatuses": [waiting],
    }


LOST = {"name": "init", "containerID": "containerd://98de", "state": {"waiting": {}}}


async def test_what_a_kubelet_has_forgotten_over_a_restart_of_its_node_is_ended(served: Served) -> None:
    """The `end` of a rollout's node lay on another one that was rebooted, and the job hung (seen, Kubernetes 1.35)."""
    reboots: dict[str, Any] = {"account": "opsjob-reboot", "node": "n1"}
    pulling = {"name": "init", "state": {"waiting": {"reason": "PodInitializing"}}}
    kubernetes = Kubernetes(
        pod("forgotten", age=130, status=begun(130, LOST), **reboots),
        pod("may-go-on", age=60, status=begun(60, LOST), **reboots),
        pod("pulls-its-image", age=500, status=begun(500, pulling), **reboots),
        pod("about-to-start", age=500, status=begun(500, LOST, sandbox="True"), **reboots),
        pod("runs-init", age=500, status=begun(500, LOST | {"state": {"running": {}}}), **reboots),
        pod("not-begun", age=500, status={"initContainerStatuses": [LOST]}, **reboots),
    )
    assert await given_up(served, kubernetes) == ["forgotten"]
    assert kubernetes.patches == {
        "pods/forgotten": {"metadata": {"resourceVersion": "7"}, "spec": {"activeDeadlineSeconds": 1}}
    }


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (NO_IMAGE, "ImagePullBackOff: no such image"),
        (UNSCHEDULABLE, f"Unschedulable: {NO_ROOM}"),
        ({"conditions": [{"type": "PodScheduled", "status": "True"}]}, "Kubernetes gives no reason"),
        (None, "Kubernetes gives no reason"),
    ],
)
async def test_what_is_in_the_way_is_said(served: Served, status: Any, sentence: str) -> None:
    kubernetes = Kubernetes(pod("late", age=700, status=status))
    await given_up(served, kubernetes)
    assert kubernetes.patches["pods/late/status"]["status"]["message"].endswith(f"600 s: {sentence}")


async def test_a_deadline_is_set_once(served: Served) -> None:
    kubernetes = Kubernetes(pod("late", age=700, node="n1", deadline=1))
    assert await given_up(served, kubernetes) == []
    assert kubernetes.patches == {}


async def test_one_that_starts_in_this_moment_is_left_alone(served: Served) -> None:
    assert await given_up(served, Kubernetes(pod("late", age=700), conflict=True)) == []


@pytest.mark.parametrize("of", [{"account": "opsjob-reboot"}, {"step": "evaluate"}])
async def test_only_steps_of_addon_jobs_on_their_nodes_have_a_pending_timeout(served: Served, of: Any) -> None:
    kubernetes = Kubernetes(pod("late", age=700, **of), pod("for-gone", age=700, **of))
    assert await given_up(served, kubernetes) == []
    assert kubernetes.patches == {}


async def test_pods_that_have_ended_are_not_asked_for(served: Served) -> None:
    kubernetes = Kubernetes()
    assert await given_up(served, kubernetes) == []
    (asked,) = kubernetes.asked
    assert asked["fieldSelector"] == "status.phase!=Succeeded,status.phase!=Failed"
    assert asked["labelSelector"] == "workflows.argoproj.io/workflow"


RUNNING = {"phase": "Running"}


@pytest.mark.parametrize(
    ("ready", "not_ready_seconds", "ended"),
    [("True", 300, ["on-gone"]), ("Unknown", 300, ["on-n1", "on-gone"]), ("False", 500, ["on-gone"])],
)
async def test_pods_of_a_node_that_is_lost_are_failed_whatever_step_they_are(
    served: Served, ready: str, not_ready_seconds: int, ended: list[str]
) -> None:
    kubernetes = Kubernetes(
        pod("on-n1", age=1, node="n1", status=RUNNING, account="opsjob-reboot", step=""),
        pod("on-gone", age=1, node="n9", status=RUNNING),
        ready=ready,
    )
    assert await given_up(served, kubernetes, not_ready_seconds) == ended
    why = f"node n9 did not answer for {not_ready_seconds} s and was given up"
    failed = {"status": {"phase": "Failed", "reason": "NodeLost", "message": why}}
    assert kubernetes.patches["pods/on-gone/status"] == failed
    assert len(kubernetes.patches) == len(ended)


async def test_reports_are_closed_that_no_pod_will_finish(served: Served) -> None:
    """Argo would wait for them for ever: of a pod that is gone, or that has just been given up with its node."""
    kubernetes = Kubernetes(
        pod("at-work", age=1, node="n1", status=RUNNING),
        pod("on-gone", age=1, node="n9", status=RUNNING),
        reports=["job-1-at-work", "job-1-on-gone", "job-1-deleted"],
    )
    assert await given_up(served, kubernetes) == ["on-gone"]
    closed = {path.rpartition("/")[2] for path in kubernetes.patches if path.startswith("workflowtaskresults/")}
    assert closed == {"job-1-on-gone", "job-1-deleted"}
