"""Which step of which nodes a pod is, as Argo and our templates mark it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from service.kube.client import KubeSettings
from service.kube.step_logs import StepLogs, step_pod
from workflow_templates.protocol import labels


def pod(name: str, *args: str, step: str = "", state: str = "", phase: str = "Running") -> dict[str, Any]:
    return {
        "metadata": {
            "name": "job-1-node-123",
            "creationTimestamp": "2026-11-28T04:00:00Z",
            "labels": {labels.ARGO_WORKFLOW: "job-1"} | ({labels.STEP: step} if step else {}),
            "annotations": {labels.ARGO_NODE_NAME: name},
        },
        "spec": {"containers": [{"name": "wait", "args": ["--node=other"]}, {"name": "main", "args": list(args)}]},
        "status": {
            "phase": phase,
            "containerStatuses": [
                {"name": "wait", "state": {"terminated": {}}},
                {"name": "main", "state": {state: {}} if state else {}},
            ],
        },
    }


@pytest.mark.parametrize(
    ("name", "step", "attempt"),
    [
        ("job-1[0].nodes(0:0)[0].node(1:worker-2.example.com)(0)", "node", 1),
        ("job-1[0].nodes(0:0)[0].node(1:worker-2)(11)", "node", 12),
        ("job-1[0].reboot-node(0:n1)[2].note-boot-id(0)", "note-boot-id", 1),
        ("job-1[1].evaluate", "evaluate", 1),
        ("job-1[0].checks(0:1 to 50)(0)", "checks", 1),
        ("job-1.onExit[0].finish(1)", "clean-up", 2),
        ("", "", 1),
    ],
)
def test_a_step_is_called_as_argo_shows_it(name: str, step: str, attempt: int) -> None:
    found = step_pod(pod(name))
    assert (found.step, found.attempt) == (step, attempt)


def test_steps_of_nodes_are_told_which() -> None:
    assert step_pod(pod("job-1.node", "--job=job-1", "--node=n1", step="node")).nodes == ("n1",)
    assert step_pod(pod("job-1.checks", '--nodes=["n1", "n2"]', step="node")).nodes == ("n1", "n2")
    assert step_pod(pod("job-1.lease", '--nodes=["n1", "n2"]')).nodes == ()


def test_what_has_begun_may_have_written_something() -> None:
    assert not step_pod(pod("job-1.node", state="waiting", phase="Pending")).begun
    running, ended = step_pod(pod("job-1.node", state="running")), step_pod(pod("job-1.node", state="terminated"))
    assert (running.begun, running.ended, ended.begun, ended.ended) == (True, False, True, True)
    assert step_pod(pod("job-1.node", phase="Failed")).ended


async def test_pods_that_read_the_logs_of_nodes_are_not_even_asked_for() -> None:
    asked: list[dict[str, str]] = []

    class Kubernetes:
        async def get(self, _path: str, **_how: str) -> None:
            """The Workflow is gone."""

        async def list(self, _path: str, query: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
            asked.append(query)
            yield pod("job-1.node", "--node=n1", step="node")

    api: Any = Kubernetes()
    found = await StepLogs(api, api, KubeSettings()).step_pods("job-1")
    assert (found.over, [one.nodes for one in found.pods]) == (True, [("n1",)])
    assert asked == [{"labelSelector": f"{labels.ARGO_WORKFLOW}=job-1,{labels.STEP}!={labels.STEP_NODE_LOG}"}]
