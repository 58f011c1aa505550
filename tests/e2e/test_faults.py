"""What happens when something dies in the middle."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.cluster_fixtures import Take
from tests.e2e.live import Api, Cluster, inputs, wait_for


@pytest.fixture
def node(idle_node: str) -> str:
    return idle_node


def serves(api: Api) -> bool:
    try:
        return api.client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def gated(node: str, cluster: Cluster, mark: str) -> str:
    """A script that begins, notes every run, and ends when it is let go."""
    cluster.on_host(node, "sh", "-c", f"rm -f /run/{mark}*")
    return f"echo run >> /run/{mark}-runs; until test -e /run/{mark}-go; do sleep 0.2; done"


@pytest.mark.alone
def test_the_service_killed_in_mid_job_loses_nothing_and_repeats_nothing(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    template = addon(gated(node, cluster, "e2e-svc"))
    job_id = api.create(name="survives", inputs=inputs(template, nodes=[node]), securityUpgrade=True)
    wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("e2e-svc-runs"))
    cluster.assert_cordoned_by(job_id, node)

    killed = cluster.kill_services()
    cluster.on_host(node, "touch", "/run/e2e-svc-go")
    # The killed one may answer for a moment still.
    wait_for("another service", lambda: cluster.ready_services() - killed)
    wait_for("it to serve", lambda: serves(api))

    assert api.finished(job_id)["phase"] == "Succeeded"
    assert cluster.on_host(node, "cat", "/run/e2e-svc-runs").split() == ["run"]
    cluster.assert_given_back(job_id, node)


@pytest.mark.alone
@pytest.mark.long  # make test kills the service
def test_the_argo_controller_killed_in_mid_job_repeats_nothing(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    template = addon(gated(node, cluster, "e2e-ctl"))
    job_id = api.create(name="controller", inputs=inputs(template, nodes=[node]), securityUpgrade=True)
    wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("e2e-ctl-runs"))
    cluster.assert_cordoned_by(job_id, node)

    cluster.kill_argo()
    cluster.on_host(node, "touch", "/run/e2e-ctl-go")

    assert api.finished(job_id)["phase"] == "Succeeded"
    assert cluster.on_host(node, "cat", "/run/e2e-ctl-runs").split() == ["run"]
    cluster.assert_given_back(job_id, node)


def test_a_lost_step_pod_is_a_failed_node_that_is_free_again(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    template = addon(gated(node, cluster, "e2e-pod"))
    job_id = api.create(name="lost", inputs=inputs(template, nodes=[node]), securityUpgrade=True)
    wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("e2e-pod-runs"))
    cluster.assert_cordoned_by(job_id, node)
    (pod,) = [pod for pod in cluster.step_pods(job_id) if pod["status"]["phase"] == "Running"]
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], "-n", cluster.jobs, "--grace-period=0", "--force")

    job = api.finished(job_id)

    assert job["phase"] == "Failed"
    assert api.node(job, node)["message"]
    assert cluster.on_host(node, "cat", "/run/e2e-pod-runs").split() == ["run"]
    cluster.assert_given_back(job_id, node)


@pytest.mark.alone
@pytest.mark.long  # make test loses a step's pod
def test_a_node_rebooted_in_mid_script_fails_with_that_reason(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    before = cluster.get("node", node)["status"]["nodeInfo"]["bootID"]
    cluster.on_host(node, "sh", "-c", "rm -f /run/e2e-boot*")
    script = "touch /run/e2e-boot; until test -e /run/e2e-boot-go; do sleep 0.2; done; systemctl reboot; sleep 3000"
    template = addon(script)
    job_id = api.create(name="rebooted", inputs=inputs(template, nodes=[node]), securityUpgrade=True)
    wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("e2e-boot"))
    cluster.assert_cordoned_by(job_id, node)
    cluster.on_host(node, "touch", "/run/e2e-boot-go")

    job = api.finished(job_id, seconds=600)

    assert job["phase"] == "Failed"
    assert "reboot" in api.node(job, node)["message"]
    wait_for("the node to be Ready again", lambda: node in cluster.nodes())
    assert cluster.get("node", node)["status"]["nodeInfo"]["bootID"] != before
    wait_for("the node to be free", lambda: cluster.lease_of(node) is None)
    assert cluster.cordon_of(node) == (False, {})


@contextmanager
def without_the_service(cluster: Cluster, api: Api) -> Iterator[None]:
    """No replica of it, and all of them again afterwards."""
    space = cluster.facts["namespace"]
    (deployment,) = cluster.items("deployments", "-n", space)
    name, replicas = deployment["metadata"]["name"], deployment["spec"]["replicas"]
    pods = ("pods", "-n", space, "-l", "app.kubernetes.io/name=opsjobs")
    cluster.kubectl("scale", "deployment", name, "-n", space, "--replicas=0")
    try:
        wait_for(
            "the service to be gone", lambda: all(pod["status"]["phase"] != "Running" for pod in cluster.items(*pods))
        )
        yield
    finally:
        cluster.kubectl("scale", "deployment", name, "-n", space, f"--replicas={replicas}")
        wait_for("the service to be back", cluster.ready_services)
        wait_for("it to serve", lambda: serves(api))


@pytest.mark.alone
@pytest.mark.long
def test_jobs_end_as_they_must_while_there_is_no_service(
    cluster: Cluster, api: Api, addon: Callable[..., str], nodes: Take
) -> None:
    good, bad, spared = nodes(3)
    scripts = {node: gated(node, cluster, "e2e-alone") for node in (good, bad)}
    cluster.on_host(spared, "sh", "-c", "rm -f /run/e2e-alone*")
    works = api.create(name="alone", inputs=inputs(addon(scripts[good]), nodes=[good]), securityUpgrade=True)
    fails = api.create(
        name="alone", inputs=inputs(addon(f"{scripts[bad]}; exit 3"), nodes=[bad, spared]), securityUpgrade=True
    )
    for job_id, node in ((works, good), (fails, bad)):
        wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("e2e-alone-runs"))  # noqa: B023
        cluster.assert_cordoned_by(job_id, node)

    def phase(job_id: str) -> str:
        return str(cluster.get("workflow", job_id, "-n", cluster.jobs)["status"]["phase"])

    with without_the_service(cluster, api):
        for node in (good, bad):
            cluster.on_host(node, "touch", "/run/e2e-alone-go")
        wait_for("both to end", lambda: {phase(works), phase(fails)} <= {"Succeeded", "Failed", "Error"})
        assert (phase(works), phase(fails)) == ("Succeeded", "Failed")
        for job_id, node in ((works, good), (fails, bad), (fails, spared)):
            cluster.assert_given_back(job_id, node)

    assert api.finished(works)["phase"] == "Succeeded"
    job = api.finished(fails)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "RatioNotMet")
    assert [node["phase"] for node in job["plan"]["nodes"]] == ["Failed", "Skipped"]
    assert "e2e-alone-runs" not in cluster.on_host(spared, "ls", "/run")


@pytest.fixture
def full_node(cluster: Cluster) -> Iterator[str]:
    """A node on paper that says it is Ready, and has room for no pod. Its name comes before those of the others."""
    name = "a-e2e-full"
    cluster.kubectl("delete", "node", name, "--ignore-not-found")
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    ready = {"type": "Ready", "status": "True", "reason": "OnPaper", "message": "made by a test"}
    status = {
        "allocatable": {"pods": "0", "cpu": "1", "memory": "1Gi"},
        "capacity": {"pods": "0", "cpu": "1", "memory": "1Gi"},
        "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
    }
    cluster.kubectl(
        "patch", "node", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
    )  # fmt: skip
    yield name
    cluster.kubectl("delete", "node", name, "--ignore-not-found")


@pytest.mark.alone
@pytest.mark.long
def test_a_node_that_leaves_before_its_turn_gives_its_place_to_the_next(
    cluster: Cluster, api: Api, addon: Callable[..., str], full_node: str, node: str
) -> None:
    # The taint of a node that is new goes by itself, the plan need not wait for that.
    body: dict[str, Any] = {"batchCount": 1, "availableRatio": 0.5, "isTolerateAll": True}
    job_id = api.create(name="leaves", inputs=inputs(addon("true"), nodes=[full_node, node]), **body)
    wait_for("its step", lambda: cluster.step_pods(job_id))
    assert api.job(job_id)["phase"] == "Pending"

    cluster.kubectl("delete", "node", full_node)

    job = api.finished(job_id)
    assert job["phase"] == "Succeeded"
    assert api.node(job, full_node)["phase"] == "Failed"
    assert f"node {full_node} is gone from the cluster" in api.node(job, full_node)["message"]
    assert api.node(job, node)["phase"] == "Succeeded"
