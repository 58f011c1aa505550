"""reboot on nodes that really restart: each ends with another boot id, Ready, and as schedulable as it was before."""

from collections.abc import Callable
from typing import Any

import pytest

from service.api.examples import REBOOT
from tests.e2e.live import SLEEPER, Api, Cluster, wait_for
from tests.e2e.reboot.machines import (
    NAMESPACE,
    PATIENCE,
    STAGES,
    as_it_was,
    boot_id,
    note_times,
    reboot,
    report,
    running,
    steps_of,
    told,
)


def test_the_documents_example_reboots_a_node_and_proves_it(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None]
) -> None:
    guests(node)
    agent, web = running(cluster, node)["agent"]["metadata"], running(cluster, node)["web"]["metadata"]
    before = boot_id(cluster, node)
    example = REBOOT | {"inputs": [{"name": "node", "value": node}]}

    job_id = api.create(**example)
    job = api.finished(job_id, PATIENCE)

    assert job["phase"] == "Succeeded"
    assert api.node(job, node)["message"].startswith("rebooted and Ready after")
    entry = report(job)[node]
    assert (entry["oldBootId"], entry["newBootId"]) == (before, boot_id(cluster, node))
    assert before != boot_id(cluster, node)
    assert 0 < entry["secondsToReady"] <= PATIENCE
    assert 0 < entry["secondsDown"] <= PATIENCE
    note_times("one node", entry)
    assert entry["evicted"] == [f"{NAMESPACE}/{web['name']}"]
    assert as_it_was(cluster, node)
    assert told(cluster, node, job_id) == ["RebootBegun", "Rebooted"]
    agent_again = wait_for("the DaemonSet's pod to run again", lambda: running(cluster, node).get("agent"))
    assert agent_again
    assert agent_again["metadata"]["uid"] == agent["uid"], "it stayed on its node"
    steps = steps_of(cluster, job_id)
    assert [step["stage"] for step in steps] == [*STAGES, "clean-up"]
    (told_by,) = [step for step in steps if step["stage"] == "reboot"]
    assert told_by["hostNodeName"] == node
    assert (told_by["phase"], told_by["outputs"]["exitCode"]) == ("Succeeded", "0"), "it ended before its node went"
    assert [step["stage"] for step in steps if step["hostNodeName"] == node and step["stage"] in STAGES] == ["reboot"]


@pytest.mark.long
def test_a_budget_blocks_is_named_and_once_it_is_gone_a_node_that_was_cordoned_reboots_and_stays_so(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None]
) -> None:
    guests(node, budget=True)
    web = running(cluster, node)["web"]["metadata"]["name"]
    cluster.kubectl("cordon", node)
    before = boot_id(cluster, node)
    job_id = reboot(api, node)

    def said(job: dict[str, Any]) -> bool:
        """Argo learns what a step said a moment after its exit code."""
        return NAMESPACE in api.node(job, node)["message"]

    blocked = api.until(job_id, "it to wait", said)

    message = api.node(blocked, node)["message"]
    assert blocked["phase"] == "Running", message
    assert f"{NAMESPACE}/{web}" in message
    assert "web-stays" in message
    assert message in blocked["conditions"][-1]["message"]
    assert boot_id(cluster, node) == before
    cluster.kubectl("delete", "pdb", "web-stays", "-n", NAMESPACE)
    job = api.finished(job_id, PATIENCE)
    assert job["phase"] == "Succeeded"
    assert boot_id(cluster, node) != before
    assert f"{NAMESPACE}/{web}" in report(job)[node]["evicted"]
    assert as_it_was(cluster, node, cordoned=True)


@pytest.mark.long
def test_a_pod_that_nobody_makes_again_is_not_evicted_and_the_node_not_rebooted(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None]
) -> None:
    guests(node)
    web = running(cluster, node)["web"]["metadata"]["uid"]
    lonely = {"name": "lonely", "namespace": NAMESPACE}
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [SLEEPER]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": lonely, "spec": spec})
    before = boot_id(cluster, node)
    job_id = reboot(api, node)

    job = api.finished(job_id)

    assert job["phase"] == "Failed"
    message = api.node(job, node)["message"]
    assert f"{NAMESPACE}/lonely" in message
    assert "reboot.evictUnmanaged" in message
    assert message in job["conditions"][-1]["message"]
    assert running(cluster, node)["web"]["metadata"]["uid"] == web, "nothing was evicted"
    assert boot_id(cluster, node) == before
    assert as_it_was(cluster, node)
    assert told(cluster, node, job_id) == ["RebootFailed"]


def plan(api: Api, *inputs: tuple[str, str]) -> Any:
    """What a job of these inputs would do, without doing it."""
    body = {"name": "who", "type": "reboot", "inputs": [{"name": kind, "value": value} for kind, value in inputs]}
    answer = api.client.post("/api/v1/opsjobs?dryRun=true", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["plan"]


def names(planned: Any) -> list[str]:
    return [found["name"] for found in planned["nodes"]]


def test_a_control_plane_node_is_refused_unless_it_is_named(api: Api, workload_nodes: list[str]) -> None:
    whole = plan(api, ("cluster", "local"))
    assert set(workload_nodes) <= set(names(whole))
    assert "control-plane" not in names(whole)
    assert "control-plane" in [excluded["name"] for excluded in whole["excluded"]]
    assert names(plan(api, ("cluster", "local"), ("node", "control-plane"))) == ["control-plane"]


def test_a_workspace_and_a_workload_select_their_nodes(
    cluster: Cluster, api: Api, pair: list[str], guests: Callable[..., None]
) -> None:
    node, other = pair
    guests(node)
    label = f"opsjob.io/workspace={NAMESPACE}"
    cluster.kubectl("label", "namespace", NAMESPACE, label, "--overwrite")
    cluster.kubectl("label", "node", node, other, label, "--overwrite")
    try:
        workspace = ("workspace", NAMESPACE)
        assert names(plan(api, workspace)) == sorted([node, other])
        assert names(plan(api, workspace, ("workload", "web"))) == [node]
    finally:
        cluster.kubectl("label", "node", node, other, "opsjob.io/workspace-")
