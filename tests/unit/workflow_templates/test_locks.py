"""One node, one job at a time (contract: the same nodes in two jobs)."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import HANG_UP, LEASES, WORKFLOWS, ApiServer, serving
from workflow_templates import locks
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import labels
from workflow_templates.protocol.node_lock import RebootNote, Work

PATH = f"{LEASES}/node-gpu-1"
COMPLETED = {"metadata": {"labels": {"workflows.argoproj.io/completed": "true"}}}
OVER = {"annotations": {labels.JOB_OVER: "job-2"}}
AT_WORK = {"metadata": {"labels": {"workflows.argoproj.io/completed": "false"}}}


def holder(server: ApiServer) -> str:
    return str(server.objects[PATH]["spec"]["holderIdentity"])


def test_a_free_node_is_taken(server: ApiServer, cluster: Cluster) -> None:
    locks.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-1"
    assert server.objects[PATH]["metadata"]["labels"] == {"opsjob.io/job-id": "job-1"}


def test_taking_it_again_changes_nothing(server: ApiServer, cluster: Cluster) -> None:
    locks.take(cluster, "gpu-1", "job-1")
    before = server.objects[PATH]
    locks.take(cluster, "gpu-1", "job-1")
    assert server.objects[PATH] == before


def test_who_waits_is_told_for_whom(server: ApiServer, cluster: Cluster) -> None:
    server.put(f"{WORKFLOWS}/job-2", AT_WORK)
    server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    with pytest.raises(locks.HeldError, match=r"^node gpu-1 is locked by job job-2$"):
        locks.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-2"


def test_a_job_that_argo_has_not_seen_yet_holds_its_node(server: ApiServer, cluster: Cluster) -> None:
    server.put(f"{WORKFLOWS}/job-2", {})
    server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    with pytest.raises(locks.HeldError):
        locks.take(cluster, "gpu-1", "job-1")


@pytest.mark.parametrize("left_by", ["a completed job", "a job that is gone", "nobody"])
def test_a_lease_that_was_left_behind_is_free(server: ApiServer, cluster: Cluster, left_by: str) -> None:
    if left_by == "a completed job":
        server.put(f"{WORKFLOWS}/job-2", COMPLETED)
    holder_then = "" if left_by == "nobody" else "job-2"
    server.put(PATH, {"metadata": OVER if holder_then else {}, "spec": {"holderIdentity": holder_then}})
    locks.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-1"


@pytest.mark.parametrize("says", [{}, {labels.JOB_OVER: "job-3"}])
def test_but_not_before_that_jobs_clean_up_or_the_service_says_so(
    server: ApiServer, cluster: Cluster, says: dict[str, str]
) -> None:
    """Admission lets no step take it over before, and the service frees what nothing goes on under."""
    server.put(f"{WORKFLOWS}/job-2", COMPLETED)
    server.put(PATH, {"metadata": {"annotations": says}, "spec": {"holderIdentity": "job-2"}})
    with pytest.raises(locks.HeldError, match="locked by job job-2, which is over: the service has not freed it yet"):
        locks.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-2"


def test_a_jobs_clean_up_says_so_of_its_own_locks_only(server: ApiServer, cluster: Cluster) -> None:
    server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    locks.note_over(cluster, "gpu-1", "job-1")
    locks.note_over(cluster, "no-such-node", "job-1")
    assert "annotations" not in server.objects[PATH]["metadata"]
    locks.note_over(cluster, "gpu-1", "job-2")
    assert server.objects[PATH]["metadata"]["annotations"] == {labels.JOB_OVER: "job-2"}


def test_of_two_who_take_over_at_once_one_gets_it(server: ApiServer, cluster: Cluster) -> None:
    server.put(f"{WORKFLOWS}/job-3", AT_WORK)
    server.put(PATH, {"metadata": OVER, "spec": {"holderIdentity": "job-2"}})
    server.before_write = lambda: server.put(PATH, {"spec": {"holderIdentity": "job-3"}})
    with pytest.raises(locks.HeldError, match="job-3"):
        locks.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-3"


def test_many_at_once_leave_one_holder(server: ApiServer) -> None:
    jobs = [f"job-{number}" for number in range(8)]
    for job in jobs:
        server.put(f"{WORKFLOWS}/{job}", AT_WORK)
    got: list[str] = []

    def take(job: str) -> None:
        with serving(server) as own:
            try:
                locks.take(own, "gpu-1", job)
            except locks.HeldError:
                return
            got.append(job)

    threads = [threading.Thread(target=take, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [holder(server)]


def test_a_create_whose_answer_was_lost_is_ours(server: ApiServer, cluster: Cluster) -> None:
    server.applied_faults = [HANG_UP]
    locks.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-1"


def test_release_frees_it(server: ApiServer, cluster: Cluster) -> None:
    locks.take(cluster, "gpu-1", "job-1")
    locks.release(cluster, "gpu-1", "job-1")
    assert PATH not in server.objects


def test_release_leaves_another_jobs_lease_alone(server: ApiServer, cluster: Cluster) -> None:
    server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    locks.release(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-2"


def test_release_loses_the_race_gracefully(server: ApiServer, cluster: Cluster) -> None:
    locks.take(cluster, "gpu-1", "job-1")
    server.before_write = lambda: server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    locks.release(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-2"


def test_release_of_nothing_is_done(cluster: Cluster) -> None:
    locks.release(cluster, "gpu-1", "job-1")


NODE = "/api/v1/nodes/gpu-1"


def node(boot_id: str = "boot-1", ready: str = "True") -> dict[str, Any]:
    status = {"nodeInfo": {"bootID": boot_id}, "conditions": [{"type": "Ready", "status": ready}]}
    return {"spec": {}, "status": status}


def left_by_job_2(server: ApiServer, **notes: str) -> None:
    """The lock of a job that is over, with what it had noted."""
    server.put(f"{WORKFLOWS}/job-2", COMPLETED)
    annotations = {labels.JOB_OVER: "job-2", **notes}
    server.put(PATH, {"metadata": {"annotations": annotations}, "spec": {"holderIdentity": "job-2"}})


def test_what_the_job_before_noted_goes_when_its_lock_is_taken_over(server: ApiServer, cluster: Cluster) -> None:
    """Else the next reboot took the note of the one before for its own, and gave the node up at once."""
    server.put(NODE, node("boot-2"))
    told = RebootNote(datetime(2026, 1, 1, tzinfo=UTC), "boot-1", None).text()
    left_by_job_2(server, **{labels.TOLD_TO_REBOOT: told, labels.CORDON_NOTE: "{}", "a.person/s": "own"})
    locks.take(cluster, "gpu-1", "job-1")
    assert server.objects[PATH]["metadata"]["annotations"] == {"a.person/s": "own"}


def test_a_node_on_which_the_work_of_a_job_that_is_over_goes_on_stays_locked(
    server: ApiServer, cluster: Cluster
) -> None:
    server.put(NODE, node(ready="Unknown"))
    left_by_job_2(server, **{labels.WORK_BEGUN: Work("job-2", "boot-1").text()})
    with pytest.raises(
        locks.HeldError, match=r"^node gpu-1 is locked by job job-2, which is over: whether its scripts"
    ):
        locks.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-2"


@pytest.mark.parametrize("ended_by", ["another boot", "the node is gone"])
def test_until_it_has_ended_for_certain(server: ApiServer, cluster: Cluster, ended_by: str) -> None:
    if ended_by == "another boot":
        server.put(NODE, node("boot-2", ready="False"))
    left_by_job_2(server, **{labels.WORK_BEGUN: Work("job-2", "boot-1").text()})
    locks.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-1"


def test_a_reboot_takes_it_over_for_it_ends_the_work(server: ApiServer, cluster: Cluster) -> None:
    server.put(NODE, node())
    left_by_job_2(server, **{labels.WORK_BEGUN: Work("job-2", "boot-1").text()})
    locks.take(cluster, "gpu-1", "job-1", ends_work=True)
    assert holder(server) == "job-1"
    # A reboot that is given up has not ended it: the lock goes on saying so.
    server.put(f"{WORKFLOWS}/job-1", COMPLETED)
    with pytest.raises(locks.HeldError, match="locked by job job-1, which is over: whether its scripts"):
        locks.take(cluster, "gpu-1", "job-3")


def test_but_not_from_a_job_that_goes_on(server: ApiServer, cluster: Cluster) -> None:
    left_by_job_2(server, **{labels.WORK_BEGUN: Work("job-2", "boot-1").text()})
    server.put(f"{WORKFLOWS}/job-2", AT_WORK)
    with pytest.raises(locks.HeldError, match=r"^node gpu-1 is locked by job job-2$"):
        locks.take(cluster, "gpu-1", "job-1", ends_work=True)


@pytest.mark.parametrize("ends_work", [True, False])
def test_a_pending_reboot_keeps_the_node_locked_though_its_job_was_terminated(
    server: ApiServer, cluster: Cluster, *, ends_work: bool
) -> None:
    server.put(NODE, node())
    left_by_job_2(server, **{labels.TOLD_TO_REBOOT: RebootNote(datetime.now(UTC), "boot-1", None).text()})
    with pytest.raises(locks.HeldError, match="which is over: the reboot that it began is pending"):
        locks.take(cluster, "gpu-1", "job-1", ends_work=ends_work)
    server.put(NODE, node("boot-2", ready="False"))
    with pytest.raises(locks.HeldError, match="is pending"):
        locks.take(cluster, "gpu-1", "job-1", ends_work=ends_work)
    server.put(NODE, node("boot-2"))
    locks.take(cluster, "gpu-1", "job-1", ends_work=ends_work)


def test_a_pod_that_was_cut_off_notes_nothing_at_another_jobs_lock(server: ApiServer, cluster: Cluster) -> None:
    server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    with pytest.raises(locks.LostError, match=r"^node gpu-1 is no longer locked by job job-1$"):
        locks.note(cluster, "gpu-1", "job-1", {labels.WORK_BEGUN: Work("job-2", "boot-1").text()})
    assert "annotations" not in server.objects[PATH]["metadata"]


def test_one_job_at_a_time_reboots_nodes_of_the_control_plane(server: ApiServer, cluster: Cluster) -> None:
    for job in ("job-1", "job-2"):
        server.put(f"{WORKFLOWS}/{job}", AT_WORK)
    locks.take(cluster, "cp-1", "job-1")
    locks.take_control_plane(cluster, "cp-1", "job-1")
    locks.take_control_plane(cluster, "cp-1", "job-1")  # run again
    with pytest.raises(locks.HeldError, match=r"node cp-2 .* and job job-1 is at node cp-1$"):
        locks.take_control_plane(cluster, "cp-2", "job-2")
    server.put(f"{WORKFLOWS}/job-1", COMPLETED)
    with pytest.raises(locks.HeldError):
        locks.take_control_plane(cluster, "cp-2", "job-2")  # a reboot is pending, say: who knows frees it
    locks.release_control_plane(cluster, "job-1")
    locks.take_control_plane(cluster, "cp-2", "job-2")
    locks.release_control_plane(cluster, "job-1")
    assert server.objects[f"{LEASES}/control-plane-reboot"]["spec"]["holderIdentity"] == "job-2"
    assert locks.held(cluster, "job-2") == {}
