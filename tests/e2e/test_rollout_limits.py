"""Limits of rollouts on real nodes: racks, failures that a person tolerates, a timeout while paused."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster_fixtures import Take
from tests.e2e.live import Api, Cluster, inputs


def steer(api: Api, job_id: str, what: str) -> None:
    answer = api.client.post(f"/api/v1/opsjobs/{job_id}/{what}")
    assert (answer.status_code, answer.content) == (200, b""), answer.text


def phases(api: Api, job: dict[str, Any], names: list[str]) -> list[str]:
    return [api.node(job, name)["phase"] for name in names]


@pytest.mark.long  # groups are pure; make test has a limit that a person's cordon counts against
def test_nodes_of_one_rack_take_turns_whatever_else_may_be_at_work(
    cluster: Cluster, api: Api, addon: Callable[..., str], idle_nodes: Take
) -> None:
    mine = idle_nodes(2)
    for node in mine:
        cluster.on_host(node, "rm", "-f", "/run/e2e-rack-go")
        cluster.kubectl("label", "node", node, "e2e-rack=r1", "--overwrite")
    template = addon("until test -e /run/e2e-rack-go; do sleep 0.2; done")
    topology = {"label": "e2e-rack", "maxPerGroup": 1}
    try:
        job_id = api.create(
            name="racks", inputs=inputs(template, nodes=mine), rollout={"maxUnavailable": 2, "topology": topology}
        )
        job = api.until(job_id, "one at work", lambda job: "Running" in phases(api, job, mine))
        (first,) = [name for name in mine if api.node(job, name)["phase"] == "Running"]
        (other,) = [name for name in mine if name != first]
        held = api.until(job_id, "what the other waits for", lambda job: first in api.node(job, other)["message"])
        assert api.node(held, other)["phase"] == "Waiting"
        assert "r1" in api.node(held, other)["message"]
        assert cluster.lease_of(other) is None
        for node in mine:
            cluster.on_host(node, "touch", "/run/e2e-rack-go")
        assert api.finished(job_id)["phase"] == "Succeeded"
    finally:
        cluster.kubectl("label", "node", *mine, "e2e-rack-")


def test_failures_that_a_person_tolerates_are_not_counted_again(
    api: Api, addon: Callable[..., str], two_nodes: list[str]
) -> None:
    first, second = sorted(two_nodes)
    template = addon(f'test "$(hostname)" != {first} || exit 3')
    rollout = {"onFailure": "pause", "failureLimit": 0}
    job_id = api.create(name="tolerated", inputs=inputs(template, nodes=two_nodes), rollout=rollout)
    paused = api.until(job_id, "a pause", lambda job: job["conditions"][-1]["reason"] == "Paused")
    assert phases(api, paused, [first]) == ["Failed"]
    steer(api, job_id, "resume")
    job = api.finished(job_id)
    assert (job["phase"], phases(api, job, [first, second])) == ("Succeeded", ["Failed", "Succeeded"])
    assert "tolerates 1 failed node" in " ".join(one["message"] for one in job["conditions"])
    again = api.client.post(f"/api/v1/opsjobs/{job_id}/pause")
    assert (again.status_code, again.json()["errorCode"]) == (409, "JOB_ENDED")


@pytest.mark.long
def test_a_timeout_ends_a_paused_job(
    cluster: Cluster, api: Api, addon: Callable[..., str], two_nodes: list[str]
) -> None:
    first, second = sorted(two_nodes)
    cluster.on_host(second, "rm", "-f", "/run/e2e-timeout-ran")
    template = addon(f'test "$(hostname)" != {second} || touch /run/e2e-timeout-ran')
    rollout = {"phases": [{"nodes": 1, "advance": "manual"}, {}]}
    job_id = api.create(name="late", inputs=inputs(template, nodes=[first, second]), rollout=rollout, timeoutSecond=60)
    steer(api, job_id, "pause")
    job = api.finished(job_id)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Timeout")
    assert api.node(job, second)["phase"] == "Skipped"
    assert "e2e-timeout-ran" not in cluster.on_host(second, "ls", "/run")
    for node in two_nodes:
        cluster.assert_given_back(job_id, node)
