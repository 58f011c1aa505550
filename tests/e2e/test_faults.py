"""What happens when something dies in the middle."""

from collections.abc import Callable

import httpx

from tests.e2e.live import Api, Cluster, inputs, wait_for


def ready_services(cluster: Cluster) -> set[str]:
    """The uids of the service's pods that are Ready and not on their way out."""
    pods = cluster.items("pods", "-n", cluster.facts["namespace"], "-l", "app.kubernetes.io/name=opsjobs")
    return {
        pod["metadata"]["uid"]
        for pod in pods
        if "deletionTimestamp" not in pod["metadata"]
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
    }


def serves(api: Api) -> bool:
    try:
        return api.client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def gated(node: str, cluster: Cluster, mark: str) -> str:
    """A script that begins, notes every run, and ends when it is let go."""
    cluster.on_host(node, "sh", "-c", f"rm -f /run/{mark}*")
    return f"echo run >> /run/{mark}-runs; until test -e /run/{mark}-go; do sleep 0.2; done"


def test_the_service_killed_in_mid_job_loses_nothing_and_repeats_nothing(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    node = cluster.nodes()[0]
    job_id = api.create(name="survives", inputs=inputs(addon(gated(node, cluster, "e2e-svc")), nodes=[node]))
    wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("e2e-svc-runs"))

    before = ready_services(cluster)
    cluster.kubectl(
        "delete", "pod", "-n", cluster.facts["namespace"], "-l", "app.kubernetes.io/name=opsjobs",
        "--grace-period=0", "--force",
    )  # fmt: skip
    cluster.on_host(node, "touch", "/run/e2e-svc-go")
    # The killed one may answer for a moment still.
    wait_for("another service", lambda: ready_services(cluster) - before)
    wait_for("it to serve", lambda: serves(api))

    assert api.finished(job_id)["phase"] == "Succeeded"
    assert cluster.on_host(node, "cat", "/run/e2e-svc-runs").split() == ["run"]


def test_the_argo_controller_killed_in_mid_job_repeats_nothing(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    node = cluster.nodes()[0]
    job_id = api.create(name="controller", inputs=inputs(addon(gated(node, cluster, "e2e-ctl")), nodes=[node]))
    wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("e2e-ctl-runs"))

    cluster.kubectl("delete", "pod", "-n", "argo", "-l", "app=workflow-controller", "--grace-period=0", "--force")
    cluster.on_host(node, "touch", "/run/e2e-ctl-go")

    assert api.finished(job_id)["phase"] == "Succeeded"
    assert cluster.on_host(node, "cat", "/run/e2e-ctl-runs").split() == ["run"]
    assert cluster.lease_of(node) is None


def test_a_lost_step_pod_is_a_failed_node_that_is_free_again(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    node = cluster.nodes()[0]
    job_id = api.create(name="lost", inputs=inputs(addon(gated(node, cluster, "e2e-pod")), nodes=[node]))
    wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("e2e-pod-runs"))
    (pod,) = cluster.step_pods(job_id)
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], "-n", cluster.jobs, "--grace-period=0", "--force")

    job = api.finished(job_id)

    assert job["phase"] == "Failed"
    assert api.node(job, node)["message"]
    assert cluster.on_host(node, "cat", "/run/e2e-pod-runs").split() == ["run"]
    assert cluster.lease_of(node) is None


def test_a_node_rebooted_in_mid_script_fails_with_that_reason(
    cluster: Cluster, api: Api, addon: Callable[..., str]
) -> None:
    node = cluster.nodes()[-1]
    before = cluster.get("node", node)["status"]["nodeInfo"]["bootID"]
    job_id = api.create(name="rebooted", inputs=inputs(addon("systemctl reboot; sleep 3000"), nodes=[node]))

    job = api.finished(job_id, seconds=600)

    assert job["phase"] == "Failed"
    assert "reboot" in api.node(job, node)["message"]
    wait_for("the node to be Ready again", lambda: node in cluster.nodes())
    assert cluster.get("node", node)["status"]["nodeInfo"]["bootID"] != before
    assert cluster.lease_of(node) is None
    assert cluster.cordon_of(node) == (False, {})
