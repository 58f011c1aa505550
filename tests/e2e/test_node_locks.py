"""Node locks between jobs, idle nodes, cordons that go back to what they were."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster_fixtures import Take
from tests.e2e.live import SLEEPER, Api, Cluster, inputs, wait_for


@pytest.fixture
def workload(cluster: Cluster) -> Iterator[Callable[[str], str]]:
    """Put a workload's pod on a node; answers its name. It takes any taint and needs nothing."""
    made: list[str] = []

    def place(node: str) -> str:
        name = f"e2e-workload-{uuid.uuid4().hex[:6]}"
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {
                    "nodeName": node,
                    "terminationGracePeriodSeconds": 0,
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [SLEEPER],
                },
            }
        )
        made.append(name)
        running = ["pod", name, "-n", "default"]
        wait_for("the workload to run", lambda: cluster.get(*running)["status"]["phase"] == "Running")
        return name

    yield place
    cluster.kubectl("delete", "pod", *made, "-n", "default", "--ignore-not-found")


def test_a_second_job_on_the_same_node_waits_and_says_for_whom(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    cluster.on_host(node, "rm", "-f", "/run/opsjobs-e2e-go", "/run/opsjobs-e2e-first")
    first_addon = addon("touch /run/opsjobs-e2e-first; until test -e /run/opsjobs-e2e-go; do sleep 0.2; done")
    first = api.create(name="first", inputs=inputs(first_addon, nodes=[node]))
    wait_for("the first to begin", lambda: cluster.on_host(node, "ls", "/run").count("opsjobs-e2e-first"))
    second = api.create(name="second", inputs=inputs(addon("true"), nodes=[node]))

    waiting = api.until(second, "the second to wait", lambda job: first in job["conditions"][-1]["message"])

    assert waiting["phase"] in ("Pending", "Running")
    assert waiting["conditions"][-1]["reason"] == "Waiting"
    assert api.node(waiting, node)["phase"] == "Waiting"
    assert cluster.lease_of(node) == first
    cluster.on_host(node, "touch", "/run/opsjobs-e2e-go")
    ended = api.finished(first)
    then = api.finished(second)
    assert ended["phase"] == then["phase"] == "Succeeded"
    assert api.node(then, node)["end"] > api.node(ended, node)["end"]


def test_a_busy_node_waits_cordoned_and_holds_up_no_idle_node(
    cluster: Cluster, api: Api, addon: Callable[..., str], workload: Callable[[str], str], idle_nodes: Take
) -> None:
    busy, idle = mine = idle_nodes(2)
    pod = workload(busy)
    job_id = api.create(name="upgrade", inputs=inputs(addon("true"), nodes=mine), batchCount=1, securityUpgrade=True)

    job = api.until(job_id, "the idle node", lambda job: api.node(job, idle)["phase"] == "Succeeded")

    assert api.node(job, busy)["phase"] == "Waiting"
    assert pod in api.node(job, busy)["message"]
    cordoned, marks = cluster.cordon_of(busy)
    assert cordoned
    assert marks["opsjob.io/cordoned-by"] == job_id
    cluster.kubectl("delete", "pod", pod, "-n", "default")
    assert api.finished(job_id)["phase"] == "Succeeded"
    assert [cluster.cordon_of(name) for name in mine] == [(False, {})] * 2


def test_a_stop_while_a_node_waits_puts_its_cordon_back(
    cluster: Cluster, api: Api, addon: Callable[..., str], workload: Callable[[str], str], idle_node: str
) -> None:
    workload(idle_node)
    job_id = api.create(name="waits", inputs=inputs(addon("true"), nodes=[idle_node]), securityUpgrade=True)
    wait_for("the cordon", lambda: cluster.cordon_of(idle_node)[0])
    api.stop(job_id)
    job = api.finished(job_id)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert cluster.cordon_of(idle_node) == (False, {})
    assert cluster.lease_of(idle_node) is None


@pytest.mark.long
def test_a_timeout_while_a_node_waits_puts_its_cordon_back(
    cluster: Cluster, api: Api, addon: Callable[..., str], workload: Callable[[str], str], idle_node: str
) -> None:
    pod = workload(idle_node)
    body: dict[str, Any] = {"securityUpgrade": True, "timeoutSecond": 40}
    job_id = api.create(name="waits", inputs=inputs(addon("true"), nodes=[idle_node]), **body)
    wait_for("the cordon", lambda: cluster.cordon_of(idle_node)[0])
    cluster.assert_cordoned_by(job_id, idle_node)
    job = api.finished(job_id)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Timeout")
    assert api.node(job, idle_node)["phase"] == "Skipped"
    assert pod in api.node(job, idle_node)["message"]
    cluster.assert_given_back(job_id, idle_node)


def test_a_reboot_waits_for_the_addon_job_that_has_the_node(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    cluster.on_host(node, "sh", "-c", "rm -f /run/opsjobs-e2e-go /run/opsjobs-e2e-first")
    script = "touch /run/opsjobs-e2e-first; until test -e /run/opsjobs-e2e-go; do sleep 0.2; done"
    first = api.create(name="first", inputs=inputs(addon(script), nodes=[node]))
    wait_for("the addon to begin", lambda: cluster.on_host(node, "ls", "/run").count("opsjobs-e2e-first"))
    reboot = api.create(name="reboot", type="reboot", inputs=inputs(nodes=[node]))

    api.until(reboot, "the reboot to wait", lambda job: first in api.node(job, node)["message"])

    assert cluster.lease_of(node) == first
    assert cluster.cordon_of(node) == (False, {})
    api.stop(reboot)  # before the node is free: nothing reboots here
    assert api.finished(reboot)["conditions"][-1]["reason"] == "Stopped"
    assert cluster.lease_of(node) == first
    cluster.on_host(node, "touch", "/run/opsjobs-e2e-go")
    assert api.finished(first)["phase"] == "Succeeded"
    cluster.assert_given_back(first, node)


@pytest.mark.long  # make test has it where the job is stopped
def test_a_node_that_a_person_cordoned_stays_cordoned(
    cluster: Cluster, api: Api, addon: Callable[..., str], idle_node: str
) -> None:
    cluster.kubectl("cordon", idle_node)
    try:
        body: dict[str, Any] = {"name": "cordoned", "inputs": inputs(addon("true"), nodes=[idle_node])}
        refused = api.client.post("/api/v1/opsjobs", json={"type": "addon", **body})
        assert refused.status_code == 400
        assert "cordoned" in refused.json()["errorMessage"]
        job = api.finished(api.create(**body, isTolerateAll=True, securityUpgrade=True))
        assert job["phase"] == "Succeeded"
        assert cluster.cordon_of(idle_node) == (True, {})
    finally:
        cluster.kubectl("uncordon", idle_node)


@pytest.mark.long
def test_a_tainted_node_is_left_out_unless_all_is_tolerated(
    cluster: Cluster, api: Api, addon: Callable[..., str], two_nodes: list[str]
) -> None:
    cluster.kubectl("taint", "node", two_nodes[0], "e2e=yes:NoSchedule")
    try:
        body: dict[str, Any] = {"name": "tainted", "inputs": inputs(addon("true"), nodes=two_nodes)}
        without = api.finished(api.create(**body))
        assert [node["name"] for node in without["plan"]["nodes"]] == [two_nodes[1]]
        assert without["plan"]["excluded"][0]["name"] == two_nodes[0]
        assert "e2e=yes:NoSchedule" in without["plan"]["excluded"][0]["reason"]
        with_all = api.finished(api.create(**body, isTolerateAll=True))
        assert [node["phase"] for node in with_all["plan"]["nodes"]] == ["Succeeded", "Succeeded"]
    finally:
        cluster.kubectl("taint", "node", two_nodes[0], "e2e-")
