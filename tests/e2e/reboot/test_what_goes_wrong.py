"""reboot where something is in the way, does not come back, is stopped or killed; and the node of the control plane."""

import itertools
import time
from collections.abc import Callable

import pytest

from tests.e2e.live import Api, Cluster, wait_for
from tests.e2e.reboot.machines import (
    NAMESPACE,
    PATIENCE,
    STAGES,
    as_it_was,
    at,
    boot_id,
    docker,
    phase,
    reboot,
    report,
    running,
    starts,
    told,
)


@pytest.mark.long
def test_a_node_that_is_not_ready_is_rebooted_and_well_again(cluster: Cluster, api: Api, node: str) -> None:
    """No pod gets a network there any more, which a reboot mends."""
    before = boot_id(cluster, node)
    cluster.on_host(node, "mount", "-t", "tmpfs", "none", "/etc/cni/net.d")
    cluster.on_host(node, "systemctl", "restart", "containerd")
    wait_for("the node to be NotReady", lambda: node not in cluster.nodes())

    job = api.finished(reboot(api, node), PATIENCE)

    assert job["phase"] == "Succeeded"
    assert boot_id(cluster, node) != before
    assert node in cluster.nodes()


@pytest.mark.long
def test_three_nodes_reboot_one_after_another(cluster: Cluster, api: Api, free: list[str]) -> None:
    three = free[-3:]
    assert len(three) == 3
    before = {name: boot_id(cluster, name) for name in three}
    job = api.finished(reboot(api, *three), 2 * PATIENCE)
    assert job["phase"] == "Succeeded"
    assert job["progress"] == "3/3"
    spans = sorted((api.node(job, name)["start"], api.node(job, name)["end"]) for name in three)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))
    for name in three:
        assert boot_id(cluster, name) != before[name]
        assert as_it_was(cluster, name)


@pytest.mark.long
def test_a_budget_that_stays_fails_the_node_before_its_reboot(
    cluster: Cluster, api: Api, workers: list[str], node: str, guests: Callable[..., None]
) -> None:
    guests(budget=True)
    web = running(cluster, node)["web"]["metadata"]["name"]
    before = boot_id(cluster, node)
    job_id = reboot(api, node)

    job = api.finished(job_id, PATIENCE)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Failed")
    for part in (node, "was not rebooted", f"{NAMESPACE}/{web}", "web-stays"):
        assert part in job["conditions"][-1]["message"]
    assert boot_id(cluster, node) == before
    assert as_it_was(cluster, node)
    assert told(cluster, node, job_id) == ["RebootFailed"]
    assert workers == cluster.nodes()


@pytest.mark.long
def test_a_node_that_does_not_come_back_stays_cordoned_and_the_next_is_not_begun(
    cluster: Cluster, api: Api, free: list[str]
) -> None:
    gone, following = free[-2:]
    docker("update", "--restart=no", cluster.facts["containers"][gone])
    before = boot_id(cluster, following)
    job_id = reboot(api, gone, following)

    job = api.finished(job_id, PATIENCE)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Failed")
    assert "did not come back" in job["conditions"][-1]["message"]
    assert "stays cordoned" in api.node(job, gone)["message"]
    cordoned, marks = cluster.cordon_of(gone)
    assert cordoned
    assert list(marks) == ["opsjob.io/left-cordoned"]
    assert job_id in marks["opsjob.io/left-cordoned"]
    wait_for("the Lease to be free", lambda: cluster.lease_of(gone) is None)
    assert told(cluster, gone, job_id) == ["RebootBegun", "RebootFailed"]
    assert (api.node(job, following)["phase"], api.node(job, following)["message"]) == ("Skipped", "not begun")
    assert boot_id(cluster, following) == before
    assert as_it_was(cluster, following)
    # Back too late: the janitor has had its rounds, and the cordon is for a person to take off.
    docker("start", cluster.facts["containers"][gone])
    wait_for("the node to be Ready after all", lambda: gone in cluster.nodes())
    time.sleep(12)  # longer than a round of the janitor's, which must not happen to change anything
    assert cluster.cordon_of(gone)[0]


@pytest.mark.long
def test_a_reboot_command_that_does_nothing_is_never_a_success(cluster: Cluster, api: Api, node: str) -> None:
    before = boot_id(cluster, node)
    cluster.on_host(node, "systemctl", "mask", "--runtime", "reboot.target")
    job_id = reboot(api, node)

    job = api.finished(job_id, PATIENCE)

    assert job["phase"] == "Failed"
    assert f"its boot id is still {before}" in api.node(job, node)["message"]
    assert "did nothing" in job["conditions"][-1]["message"]
    assert report(job)[node]["newBootId"] is None
    assert as_it_was(cluster, node)
    assert told(cluster, node, job_id) == ["RebootBegun", "RebootFailed"]


@pytest.mark.long
@pytest.mark.parametrize("stage", STAGES)
def test_a_stop_at_any_stage_gives_the_node_back(cluster: Cluster, api: Api, node: str, stage: str) -> None:
    job_id = reboot(api, node)
    at(api, job_id, node, stage)
    api.stop(job_id)

    job = api.finished(job_id, PATIENCE)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert api.node(job, node)["phase"] in ("Failed", "Succeeded")
    wait_for("the node as it was", lambda: as_it_was(cluster, node))


@pytest.mark.long
def test_a_timeout_while_a_pod_is_in_the_way_gives_the_node_back(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None]
) -> None:
    guests(budget=True)
    before = boot_id(cluster, node)
    job = api.finished(reboot(api, node, timeoutSecond=30), PATIENCE)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Timeout")
    assert boot_id(cluster, node) == before
    assert as_it_was(cluster, node)


@pytest.mark.long
def test_the_service_and_argo_killed_while_the_node_is_down_repeat_nothing(
    cluster: Cluster, api: Api, node: str
) -> None:
    before, started = boot_id(cluster, node), starts(cluster, node)
    job_id = reboot(api, node)
    at(api, job_id, node, "reboot")
    now = ("--grace-period=0", "--force")
    cluster.kubectl("delete", "pod", "-n", "argo", "-l", "app=workflow-controller", *now)
    wait_for("the node to go down", lambda: starts(cluster, node) > started)
    cluster.kubectl("delete", "pod", "-n", cluster.facts["namespace"], "-l", "app.kubernetes.io/name=opsjobs", *now)
    wait_for("the service", lambda: phase(api, job_id))

    job = api.finished(job_id, PATIENCE)

    assert job["phase"] == "Succeeded"
    assert boot_id(cluster, node) != before
    assert starts(cluster, node) == started + 1
    assert as_it_was(cluster, node)


@pytest.mark.long
def test_a_signalling_pod_that_is_lost_signals_once_and_does_not_decide(cluster: Cluster, api: Api, node: str) -> None:
    before, started = boot_id(cluster, node), starts(cluster, node)
    job_id = reboot(api, node)
    at(api, job_id, node, "reboot")
    folder = f"/run/opsjobs/{job_id}"
    wait_for("the signal", lambda: cluster.on_host(node, "ls", folder, check=False).count("reboot"))
    cluster.kubectl(
        "delete", "pod", "-n", cluster.jobs, "-l", f"workflows.argoproj.io/workflow={job_id}",
        "--field-selector", f"spec.nodeName={node}", "--grace-period=0", "--force",
    )  # fmt: skip

    job = api.finished(job_id, PATIENCE)

    assert job["phase"] == "Succeeded"
    assert boot_id(cluster, node) != before
    assert starts(cluster, node) == started + 1


@pytest.mark.long
def test_the_node_of_the_control_plane_and_of_argo_reboots_too(cluster: Cluster, api: Api) -> None:
    before, started = boot_id(cluster, "control-plane"), starts(cluster, "control-plane")
    job_id = reboot(api, "control-plane")

    wait_for("the machine to go down", lambda: starts(cluster, "control-plane") > started, PATIENCE)
    wait_for("the end of the job", lambda: phase(api, job_id) in ("Succeeded", "Failed"), PATIENCE)

    job = api.job(job_id)
    assert job["phase"] == "Succeeded", job["conditions"]
    assert boot_id(cluster, "control-plane") != before
    assert starts(cluster, "control-plane") == started + 1
    assert as_it_was(cluster, "control-plane")
