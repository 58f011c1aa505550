"""A node on which the script of a job may still run is locked, though the job is over."""

import json
from collections.abc import Callable

import pytest

from tests.e2e.live import Api, Cluster, inputs, wait_for

pytestmark = pytest.mark.usefixtures("nothing_ends")

#: As an upgrade of a driver does, for longer than the service waits for a node.
SCRIPT = """rm -f /run/e2e-lock-*
systemctl stop kubelet
touch /run/e2e-lock-runs
until test -e /run/e2e-lock-go; do sleep 0.2; done
systemctl start kubelet
"""


@pytest.mark.alone
@pytest.mark.long  # until a lost node is given up
def test_a_script_that_stops_the_kubelet_keeps_its_node_though_its_job_was_given_up(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    """Before, the lock went to the next job while the script ran on, which the kubelet killed once it was back."""
    first = api.create(name="driver", inputs=inputs(addon(SCRIPT), nodes=[node]), securityUpgrade=True)
    try:
        wait_for("the script to run", lambda: "e2e-lock-runs" in cluster.on_host(node, "ls", "/run"))
        second = api.create(name="next", inputs=inputs(addon("true"), nodes=[node]), isTolerateAll=True)
        give_up_as_the_service_does(cluster, first)
        assert api.finished(first)["phase"] == "Failed"
        wait_for("the service to look at its lock", lambda: said_to_stay_locked(cluster, first))
        assert cluster.lease_of(node) == first
        cluster.assert_cordoned_by(first, node)
    finally:
        cluster.on_host(node, "sh", "-c", "touch /run/e2e-lock-go; systemctl start kubelet")

    wait_for("the kubelet to report the end", lambda: cluster.lease_of(node) != first)
    assert api.finished(second)["phase"] == "Succeeded"
    cluster.assert_given_back(second, node)


def give_up_as_the_service_does(cluster: Cluster, job_id: str) -> None:
    """After lostNodeSeconds, which are minutes."""
    (pod,) = [pod for pod in cluster.step_pods(job_id) if pod["status"]["phase"] == "Running"]
    status = {"phase": "Failed", "reason": "NodeLost", "message": "its node did not answer"}
    cluster.kubectl(
        "patch", "pod", pod["metadata"]["name"], "-n", cluster.jobs, "--subresource=status", "--type=merge",
        "-p", json.dumps({"status": status}),
    )  # fmt: skip


def said_to_stay_locked(cluster: Cluster, job_id: str) -> bool:
    of_service = ("-n", cluster.facts["namespace"], "-l", "app.kubernetes.io/name=opsjobs", "--tail=-1")
    lines = [line for line in cluster.kubectl("logs", *of_service).splitlines() if job_id in line]
    return any("stays locked" in line for line in lines)
