"""Issue 16, rows 1 and 15: a step's token reports for another job's step.

Before: Argo takes a WorkflowTaskResult for a step's by its name alone, and every step's account may write any: a stolen
token made another job's node count as done, or put a link of the thief's own into another's outputs.
"""

from typing import Any

import pytest

from tests.attacks.impersonation import Thief, User, admitted, refused
from tests.e2e.live import Cluster

OWN, VICTIMS, NUMBER = "theft-a1b2c3", "victim-d4e5f6", "1234567890"
API = "argoproj.io/v1alpha1"


def result(job: str, number: str = NUMBER, workflow: str = "") -> dict[str, Any]:
    metadata = {"name": f"{job}-{number}", "labels": {"workflows.argoproj.io/workflow": workflow or job}}
    outputs = {"parameters": [{"name": "outcome", "value": '{"forged": true}'}]}
    return {"apiVersion": API, "kind": "WorkflowTaskResult", "metadata": metadata, "outputs": outputs}


def report(cluster: Cluster, user: User, made: dict[str, Any]) -> Any:
    return user.create(f"/apis/{API}/namespaces/{cluster.jobs}/workflowtaskresults", made)


def step(cluster: Cluster, thief: Thief, pod: str) -> User:
    return thief.with_token_of("opsjob-addon", cluster.jobs, pod=pod)


def test_a_step_reports_for_itself(cluster: Cluster, thief: Thief) -> None:
    assert admitted(report(cluster, step(cluster, thief, f"{OWN}-node-{NUMBER}"), result(OWN)))


@pytest.mark.parametrize(
    "made",
    [
        result(VICTIMS),
        result(OWN, "987654321"),
        result(OWN, workflow=VICTIMS),
        result(VICTIMS, workflow=OWN),
        result(f"{OWN}-node"),
        {**result(OWN), "metadata": {"name": f"{OWN}-{NUMBER}"}},
    ],
    ids=["another job", "another step", "another label", "its own label", "a name like its own", "no label"],
)
def test_a_step_reports_for_no_other(cluster: Cluster, thief: Thief, made: dict[str, Any]) -> None:
    assert refused(report(cluster, step(cluster, thief, f"{OWN}-node-{NUMBER}"), made), "writes its own result")


@pytest.mark.parametrize("pod", ["", f"{VICTIMS}-x-node-{NUMBER}", f"{VICTIMS}-evil-{NUMBER}", f"{VICTIMS}-node-1"])
def test_a_pod_with_a_name_like_anothers_does_not(cluster: Cluster, thief: Thief, pod: str) -> None:
    assert refused(report(cluster, step(cluster, thief, pod), result(VICTIMS)), "writes its own result")
