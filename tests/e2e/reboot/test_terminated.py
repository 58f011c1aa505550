"""`argo terminate` in the middle of a reboot runs no clean-up: the service sees the node back, and not before."""

import pytest

from tests.e2e.live import Api, Cluster, wait_for
from tests.e2e.reboot.machines import PATIENCE, as_it_was, at, boot_id, own_boot_id, reboot


@pytest.mark.long
def test_a_node_whose_reboot_is_pending_stays_locked_and_cordoned(cluster: Cluster, api: Api, node: str) -> None:
    before = own_boot_id(cluster, node)
    job_id = reboot(api, node)
    at(api, job_id, node, "wait")  # its host has been told, and goes down in a few seconds
    terminate = '{"spec": {"shutdown": "Terminate"}}'
    cluster.kubectl("patch", "workflow", job_id, "-n", cluster.jobs, "--type=merge", "-p", terminate)

    job = api.finished(job_id, PATIENCE)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    seen_back = False
    while not as_it_was(cluster, node):
        held = cluster.lease_of(node) == job_id
        seen_back = boot_id(cluster, node) != before and node in cluster.nodes()
        assert held or seen_back, "the lock was free while the reboot was pending"
    wait_for("the node as it was", lambda: as_it_was(cluster, node))
    assert boot_id(cluster, node) == own_boot_id(cluster, node) != before
