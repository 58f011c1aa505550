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
    note_times,
    own_boot_id,
    phase,
    reboot,
    report,
    running,
    starts,
    steps_of,
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


@pytest.mark.alone
@pytest.mark.long
def test_three_nodes_reboot_one_after_another(cluster: Cluster, api: Api, free: list[str]) -> None:
    three = free[-3:]
    assert len(three) == 3
    before = {name: boot_id(cluster, name) for name in three}
    own = {name: own_boot_id(cluster, name) for name in three}
    job_id = reboot(api, *three)
    for done in range(1, 3):
        later, seen = three[done:], api.job(job_id)
        while api.node(seen, three[done - 1])["phase"] not in ("Succeeded", "Failed"):
            assert {name: own_boot_id(cluster, name) for name in later} == {name: own[name] for name in later}
            time.sleep(0.5)
            seen = api.job(job_id)

    job = api.finished(job_id, 2 * PATIENCE)

    assert job["phase"] == "Succeeded"
    assert job["progress"] == "3/3"
    spans = sorted((api.node(job, name)["start"], api.node(job, name)["end"]) for name in three)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))
    for name in three:
        entry = report(job)[name]
        assert boot_id(cluster, name) == own_boot_id(cluster, name) == entry["newBootId"]
        assert entry["oldBootId"] == before[name] != entry["newBootId"]
        assert entry["secondsDown"] is not None
        note_times("three in a row", entry)
        assert told(cluster, name, job_id) == ["RebootBegun", "Rebooted"]
        assert as_it_was(cluster, name)


@pytest.mark.long
@pytest.mark.parametrize("cordoned", [False, True])
def test_a_budget_that_stays_fails_the_node_before_its_reboot(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None], *, cordoned: bool
) -> None:
    guests(node, budget=True)
    web = running(cluster, node)["web"]["metadata"]["name"]
    if cordoned:
        cluster.kubectl("cordon", node)
    before = boot_id(cluster, node)
    job_id = reboot(api, node)

    job = api.finished(job_id, PATIENCE)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Failed")
    for part in (node, "was not rebooted", f"{NAMESPACE}/{web}", "web-stays"):
        assert part in job["conditions"][-1]["message"]
    assert boot_id(cluster, node) == before
    assert as_it_was(cluster, node, cordoned=cordoned)
    assert told(cluster, node, job_id) == ["RebootFailed"]
    assert node in cluster.nodes()


@pytest.mark.alone
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
    """And not before a host that was told has rebooted: the next job, and pods, would go down with it."""
    before = boot_id(cluster, node)
    job_id = reboot(api, node)
    at(api, job_id, node, stage)
    api.stop(job_id)

    job = api.finished(job_id, PATIENCE)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert api.node(job, node)["phase"] in ("Failed", "Succeeded")
    steps = [step for step in steps_of(cluster, job_id) if step["stage"] in STAGES]
    hit = max(STAGES.index(step["stage"]) for step in steps)
    # A stop takes a moment, in which stages end and others begin: what must be true goes by where it arrived.
    assert hit >= STAGES.index(stage), f"asked to stop at {stage}, stopped at {STAGES[hit]}"
    wait_for("the node as it was", lambda: as_it_was(cluster, node))
    rebooted = own_boot_id(cluster, node) != before
    if hit < STAGES.index("reboot"):
        assert not rebooted
        assert "RebootBegun" not in told(cluster, node, job_id)
    # One that was ended before it told the host has somebody wait all the same, until the stop reaches them too.
    if any(step["stage"] == "reboot" and step["phase"] == "Succeeded" for step in steps):
        assert rebooted
    if rebooted:
        assert boot_id(cluster, node) == own_boot_id(cluster, node), "it was waited for"
        assert told(cluster, node, job_id) == ["RebootBegun", "Rebooted"]
        assert node in cluster.nodes()


@pytest.mark.long
def test_a_stop_while_a_budget_blocks_leaves_a_persons_cordon(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None]
) -> None:
    guests(node, budget=True)
    web = running(cluster, node)["web"]["metadata"]["uid"]
    cluster.kubectl("cordon", node)
    before = boot_id(cluster, node)
    job_id = reboot(api, node)
    api.until(job_id, "it to wait for the budget", lambda job: NAMESPACE in api.node(job, node)["message"])
    api.stop(job_id)

    job = api.finished(job_id, PATIENCE)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert own_boot_id(cluster, node) == boot_id(cluster, node) == before
    assert running(cluster, node)["web"]["metadata"]["uid"] == web
    assert told(cluster, node, job_id) == []
    wait_for("the node as it was", lambda: as_it_was(cluster, node, cordoned=True))


@pytest.mark.long
def test_a_timeout_while_a_pod_is_in_the_way_gives_the_node_back(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None]
) -> None:
    guests(node, budget=True)
    before = boot_id(cluster, node)
    job = api.finished(reboot(api, node, timeoutSecond=30), PATIENCE)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Timeout")
    assert boot_id(cluster, node) == before
    assert as_it_was(cluster, node)


@pytest.mark.alone
@pytest.mark.long
@pytest.mark.parametrize("stage", ["reboot", "wait"])
def test_the_service_and_argo_killed_while_the_node_is_down_repeat_nothing(
    cluster: Cluster, api: Api, node: str, stage: str
) -> None:
    before, started = boot_id(cluster, node), starts(cluster, node)
    job_id = reboot(api, node)
    at(api, job_id, node, stage)
    cluster.kill_argo()
    wait_for("the node to go down", lambda: starts(cluster, node) > started)
    cluster.kill_services()
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


@pytest.mark.alone
@pytest.mark.long
def test_the_node_of_the_control_plane_and_of_argo_reboots_too(cluster: Cluster, api: Api, control_plane: str) -> None:
    before, started = boot_id(cluster, control_plane), starts(cluster, control_plane)
    job_id = reboot(api, control_plane)

    wait_for("the machine to go down", lambda: starts(cluster, control_plane) > started, PATIENCE)
    wait_for("the end of the job", lambda: phase(api, job_id) in ("Succeeded", "Failed"), PATIENCE)

    job = api.job(job_id)
    assert job["phase"] == "Succeeded", job["conditions"]
    assert boot_id(cluster, control_plane) != before
    assert starts(cluster, control_plane) == started + 1
    assert as_it_was(cluster, control_plane)
