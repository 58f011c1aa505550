"""Rollouts of addon jobs on real nodes: phases, gates, pauses, limits (contract: Rollouts)."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster_fixtures import BUILD, Take
from tests.e2e.live import Api, Cluster, inputs, wait_for

OPERATORS = "opsjob-e2e-argo-operators"


def call(api: Api, job_id: str, what: str, body: dict[str, Any] | None = None) -> None:
    answer = api.client.post(f"/api/v1/opsjobs/{job_id}/{what}", json=body)
    assert (answer.status_code, answer.content) == (200, b""), answer.text


def states(job: dict[str, Any]) -> list[str]:
    return [phase["state"] for phase in job["rollout"]["phases"]]


def until_states(api: Api, job_id: str, *wanted: str) -> dict[str, Any]:
    return api.until(job_id, f"phases that are {wanted}", lambda job: states(job) == list(wanted))


def test_a_gate_holds_until_it_is_advanced_and_argos_resume_is_refused(
    cluster: Cluster, api: Api, addon: Callable[..., str], two_nodes: list[str]
) -> None:
    rollout = {"phases": [{"nodes": 1, "advance": "manual"}, {"nodes": "rest"}]}
    job_id = api.create(name="gate", inputs=inputs(addon("true"), nodes=two_nodes), rollout=rollout)
    job = until_states(api, job_id, "AwaitingAdvance", "Pending")
    canary, other = (node["name"] for node in job["plan"]["nodes"])
    assert api.node(job, canary)["phase"] == "Succeeded"
    assert api.node(job, other)["phase"] in ("Pending", "Waiting")
    assert not cluster.lease_of(other)

    # Whoever may change Workflows, as an operator of Argo does: rights do not help.
    person = ["--as", "argo-operator", "--as-group", OPERATORS, "--as-group", "system:authenticated"]
    resume = [BUILD / "bin" / "argo", "resume", job_id, "-n", cluster.jobs, "--kubeconfig", cluster.facts["kubeconfig"]]

    def refusal() -> str:
        """A new right takes a moment to be known."""
        tried = subprocess.run([*resume, *person], capture_output=True, text=True, check=False)
        assert tried.returncode != 0, tried.stdout
        said = tried.stdout + tried.stderr
        return said if "ValidatingAdmissionPolicy" in said else ""

    cluster.apply(*argo_operators(cluster))
    refused = wait_for("admission's refusal", refusal)
    cluster.kubectl("delete", "role,rolebinding", OPERATORS, "-n", cluster.jobs)
    assert "/advance" in refused
    assert states(api.job(job_id)) == ["AwaitingAdvance", "Pending"]

    elsewhere = api.client.post(f"/api/v1/opsjobs/{job_id}/advance", json={"expectedPhase": 2})
    assert elsewhere.status_code == 409, elsewhere.text
    call(api, job_id, "advance", {"expectedPhase": 1})
    done = api.finished(job_id)
    assert (done["phase"], states(done)) == ("Succeeded", ["Done", "Done"])


def argo_operators(cluster: Cluster) -> list[dict[str, Any]]:
    """A right to change Workflows in the jobs' namespace, for a group that nobody is in."""
    named = {"name": OPERATORS, "namespace": cluster.jobs}
    rule = {"apiGroups": ["argoproj.io"], "resources": ["workflows"], "verbs": ["get", "list", "update", "patch"]}
    group = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": named["name"]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": named["name"]}
    kinds = ({"kind": "Role", "rules": [rule]}, {"kind": "RoleBinding", "roleRef": role, "subjects": [group]})
    return [{"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": named, **kind} for kind in kinds]


def test_a_canary_that_fails_pauses_the_job_which_is_then_stopped(
    cluster: Cluster, api: Api, addon: Callable[..., str], two_nodes: list[str]
) -> None:
    rollout = {"phases": [{"nodes": 1}, {"nodes": "rest"}], "failureLimit": 0, "onFailure": "pause"}
    job_id = api.create(name="canary", inputs=inputs(addon("exit 3"), nodes=two_nodes), rollout=rollout)
    paused = api.until(job_id, "a pause", lambda job: any(one["reason"] == "Paused" for one in job["conditions"]))
    assert paused["phase"] == "Running"
    canary, other = (node["name"] for node in paused["plan"]["nodes"])
    assert api.node(paused, canary)["phase"] == "Failed"
    api.stop(job_id)
    stopped = api.finished(job_id)
    assert (stopped["phase"], stopped["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert api.node(stopped, other)["phase"] == "Skipped"
    cluster.assert_given_back(job_id, canary)
    again = api.create(name="corrected", inputs=inputs(addon("true"), nodes=[canary, other]), rollout=rollout)
    assert api.finished(again)["phase"] == "Succeeded"


def test_what_a_person_cordoned_counts_against_how_many_may_be_out_of_service(
    cluster: Cluster, api: Api, addon: Callable[..., str], idle_nodes: Take
) -> None:
    mine = idle_nodes(2)
    cordoned, other = mine
    cluster.kubectl("cordon", cordoned)
    try:
        template = addon("true")
        job_id = api.create(
            name="outage", inputs=inputs(template, nodes=mine), rollout={"maxUnavailable": 1}, isTolerateAll=True
        )
        # It is out of service itself, so it takes the one place; the other one would be one too many.
        job = api.until(
            job_id, "the cordoned node to be done", lambda job: api.node(job, cordoned)["phase"] == "Succeeded"
        )
        assert api.node(job, other)["phase"] in ("Pending", "Waiting")
        held_up = api.until(job_id, "a reason", lambda job: cordoned in api.node(job, other)["message"])
        assert held_up["phase"] == "Running"
    finally:
        cluster.kubectl("uncordon", cordoned)
    assert api.finished(job_id)["phase"] == "Succeeded"


GO, BEGUN = "e2e-plain-go", "e2e-plain-begun"


def until_told(cluster: Cluster, *nodes: str) -> str:
    """A script that says on its node that it has begun, and then waits; nothing of an earlier one is left there."""
    for node in nodes:
        cluster.on_host(node, "rm", "-f", f"/run/{GO}", f"/run/{BEGUN}")
    return f"touch /run/{BEGUN}; until test -e /run/{GO}; do sleep 0.2; done"


def until_begun(cluster: Cluster, *nodes: str) -> str:
    """The first of these nodes on which the script runs: a pod that runs may still be on its way to begin the node."""

    def begun() -> str:
        return next((node for node in nodes if BEGUN in cluster.on_host(node, "ls", "/run").split()), "")

    return wait_for("a script that runs", begun)


def go_on(cluster: Cluster, node: str) -> None:
    cluster.on_host(node, "touch", f"/run/{GO}")


@pytest.mark.parametrize("ended_by", ["resume", pytest.param("stop", marks=pytest.mark.long)])
def test_a_job_without_rollout_is_held_too(
    cluster: Cluster, api: Api, addon: Callable[..., str], two_nodes: list[str], ended_by: str
) -> None:
    script = until_told(cluster, *two_nodes)
    job_id = api.create(name="plain", inputs=inputs(addon(script), nodes=two_nodes))
    first = until_begun(cluster, *two_nodes)
    api.until(job_id, "it to be at work", lambda job: api.node(job, first)["phase"] == "Running")
    (second,) = [name for name in two_nodes if name != first]
    call(api, job_id, "pause", {"reason": "looks odd"})
    go_on(cluster, first)
    job = api.until(job_id, "the other to wait", lambda job: api.node(job, second)["phase"] == "Waiting")
    assert api.node(job, first)["phase"] == "Succeeded", "what is at work finishes"
    assert "looks odd" in api.node(job, second)["message"]
    assert job["conditions"][-1]["reason"] == "Paused"
    assert not cluster.lease_of(second)
    go_on(cluster, second)
    if ended_by == "resume":
        call(api, job_id, "resume")
        assert api.finished(job_id)["phase"] == "Succeeded"
        return
    api.stop(job_id)
    stopped = api.finished(job_id)
    assert (stopped["phase"], stopped["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert api.node(stopped, second)["phase"] == "Skipped"
    for node in two_nodes:
        cluster.assert_given_back(job_id, node)


@pytest.mark.long  # make test holds an addon's
def test_a_reboot_without_rollout_is_held_too(cluster: Cluster, api: Api, addon: Callable[..., str], node: str) -> None:
    script = until_told(cluster, node)
    before = api.create(name="before", inputs=inputs(addon(script), nodes=[node]))
    until_begun(cluster, node)
    boot_id = cluster.get("node", node)["status"]["nodeInfo"]["bootID"]
    job_id = api.create(name="held", type="reboot", inputs=[{"name": "node", "value": node}])
    api.until(job_id, "it to wait for the other job", lambda job: before in api.node(job, node)["message"])
    call(api, job_id, "pause")
    go_on(cluster, node)
    assert api.finished(before)["phase"] == "Succeeded"
    job = api.until(job_id, "it to be held", lambda job: "paused by" in api.node(job, node)["message"])
    assert api.node(job, node)["phase"] == "Waiting"
    assert not cluster.lease_of(node)
    api.stop(job_id)
    assert api.node(api.finished(job_id), node)["phase"] == "Skipped"
    assert cluster.get("node", node)["status"]["nodeInfo"]["bootID"] == boot_id
    cluster.assert_given_back(job_id, node)


@pytest.mark.long
@pytest.mark.alone
def test_a_pause_in_mid_phase_outlives_the_service_and_argos_controller(
    cluster: Cluster, api: Api, addon: Callable[..., str], nodes: Take
) -> None:
    mine = nodes(4)
    script = "until test -e /run/e2e-rollout-go; do sleep 0.2; done"
    for node in mine:
        cluster.on_host(node, "rm", "-f", "/run/e2e-rollout-go")
    job_id = api.create(
        name="pause", inputs=inputs(addon(script), nodes=mine), batchCount=2, rollout={"maxUnavailable": 2}
    )

    def at_work(job: dict[str, Any]) -> list[str]:
        return [node["name"] for node in job["plan"]["nodes"] if node["phase"] == "Running"]

    job = api.until(job_id, "two nodes at work", lambda job: len(at_work(job)) == 2)
    begun = at_work(job)
    call(api, job_id, "pause")
    cluster.kill_services()
    cluster.kill_argo()
    for node in mine:
        cluster.on_host(node, "touch", "/run/e2e-rollout-go")

    def both_ended() -> bool:
        job = api.job(job_id)
        return all(api.node(job, name)["phase"] == "Succeeded" for name in begun)

    wait_for("what was in work to end", both_ended)
    assert not any(cluster.lease_of(name) for name in mine if name not in begun)
    call(api, job_id, "resume")
    done = api.finished(job_id)
    assert done["phase"] == "Succeeded"
    reasons = [one["reason"] for one in done["conditions"]]
    assert "Paused" in reasons
