"""Issue 17, 11: a finished job is run again in Argo, on nodes that are other jobs' by now; and Argo's Resume.

Before: Argo's Retry (UI, CLI, or the update that they make) by a member of an exempt group set a finished Workflow
Running, and its steps began anew on nodes whose locks the service had given away.
"""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks.impersonation import Thief, User, admitted, refused
from tests.e2e.live import Cluster
from workflow_templates.protocol import labels

COMPLETED = "workflows.argoproj.io/completed"


def made(cluster: Cluster, phase: str, completed: str) -> Iterator[str]:
    """The path of a Workflow that Argo and the service leave alone."""
    name = f"e2e-wf-{secrets.token_hex(3)}"
    marks = {"workflows.argoproj.io/controller-instanceid": "nobody", COMPLETED: completed}
    node = {"id": name, "name": name, "displayName": name, "type": "Suspend", "phase": "Running"}
    cluster.apply(
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": name, "namespace": cluster.jobs, "labels": marks},
            "spec": {"workflowTemplateRef": {"name": "opsjob-addon-00000000"}},
            "status": {"phase": phase, "nodes": {name: node}},
        }
    )
    yield f"/apis/argoproj.io/v1alpha1/namespaces/{cluster.jobs}/workflows/{name}"
    cluster.kubectl("delete", "workflow", name, "-n", cluster.jobs)


@pytest.fixture(scope="module")
def finished(cluster: Cluster) -> Iterator[str]:
    yield from made(cluster, "Failed", "true")


@pytest.fixture(scope="module")
def running(cluster: Cluster) -> Iterator[str]:
    yield from made(cluster, "Running", "false")


def users(cluster: Cluster, thief: Thief) -> dict[str, User]:
    return {
        "an administrator": thief.as_administrator(),
        "Argo's controller": thief.with_token_of("argo", "argo"),
        "the service": thief.with_token_of("opsjobs", cluster.facts["namespace"]),
    }


#: As Argo's RetryWorkflow writes it, whole or in parts.
RETRIES: dict[str, dict[str, Any]] = {
    "Argo's Retry": {"metadata": {"labels": {COMPLETED: None}}, "status": {"phase": "Running", "finishedAt": None}},
    "the phase alone": {"status": {"phase": "Running"}},
    "not begun yet": {"status": {"phase": "Pending"}},
    "no phase": {"status": {"phase": None}},
    "no status": {"status": None},
    "the label alone": {"metadata": {"labels": {COMPLETED: None}}},
    "another label": {"metadata": {"labels": {COMPLETED: "false"}}},
}


@pytest.mark.parametrize("patch", RETRIES.values(), ids=RETRIES)
def test_what_has_finished_is_not_run_again_by_anybody(
    cluster: Cluster, thief: Thief, finished: str, patch: dict[str, Any]
) -> None:
    for name, user in users(cluster, thief).items():
        assert refused(user.patch(finished, patch), "this job is finished" if name != "the service" else "")


def test_what_has_finished_can_be_labelled_and_lose_its_finalizer(thief: Thief, finished: str) -> None:
    """Argo's archive labels it, the service removes its finalizer."""
    argo, archived = (
        thief.with_token_of("argo", "argo"),
        {"workflows.argoproj.io/workflow-archiving-status": "Archived"},
    )
    assert admitted(argo.patch(finished, {"metadata": {"labels": archived}}))
    assert admitted(thief.as_administrator().patch(finished, {"metadata": {"finalizers": None}}))


def test_what_runs_is_not_resumed_past_argos_controller(cluster: Cluster, thief: Thief, running: str) -> None:
    """Argo's Resume writes status.nodes: so would whoever ends a step that has not run, or one of another job."""
    (name,) = (running.rpartition("/")[2],)
    resumed = {"status": {"nodes": {name: {"phase": "Succeeded"}}}}
    service = thief.with_token_of("opsjobs", cluster.facts["namespace"])
    assert refused(service.patch(running, resumed), "only Argo's controller writes the status")
    assert admitted(thief.with_token_of("argo", "argo").patch(running, resumed))
    assert admitted(thief.with_token_of("argo", "argo").patch(running, {"status": {"phase": "Failed"}}))


@pytest.mark.parametrize("key", [labels.PAUSED, labels.ADVANCED, labels.TOLERATED])
def test_what_persons_say_of_a_rollout_is_written_by_the_service_alone(
    cluster: Cluster, thief: Thief, running: str, key: str
) -> None:
    """Else whoever may change Workflows would end a gate, or have a job go on, without a right and unaudited."""
    said = {"metadata": {"annotations": {key: "2"}}}
    assert refused(
        thief.with_token_of("argo", "argo").patch(running, said), "paused, resumed and advanced with OpsJobs"
    )
    service = thief.with_token_of("opsjobs", cluster.facts["namespace"])
    assert admitted(service.patch(running, said))


def test_who_resumes_in_argo_is_told_of_advance(cluster: Cluster, thief: Thief, running: str) -> None:
    (name,) = (running.rpartition("/")[2],)
    service = thief.with_token_of("opsjobs", cluster.facts["namespace"])
    assert refused(service.patch(running, {"status": {"nodes": {name: {"phase": "Succeeded"}}}}), "/advance")
