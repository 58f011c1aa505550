"""One node, one job at a time (contract: the same nodes in two jobs)."""

import threading

import pytest

from tests.unit.workflow_templates.apiserver import HANG_UP, LEASES, WORKFLOWS, ApiServer, serving
from workflow_templates import lease
from workflow_templates.cluster import Cluster

PATH = f"{LEASES}/node-gpu-1"
COMPLETED = {"metadata": {"labels": {"workflows.argoproj.io/completed": "true"}}}
AT_WORK = {"metadata": {"labels": {"workflows.argoproj.io/completed": "false"}}}


def holder(server: ApiServer) -> str:
    return str(server.objects[PATH]["spec"]["holderIdentity"])


def test_a_free_node_is_taken(server: ApiServer, cluster: Cluster) -> None:
    lease.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-1"
    assert server.objects[PATH]["metadata"]["labels"] == {"opsjob.io/job-id": "job-1"}


def test_taking_it_again_changes_nothing(server: ApiServer, cluster: Cluster) -> None:
    lease.take(cluster, "gpu-1", "job-1")
    before = server.objects[PATH]
    lease.take(cluster, "gpu-1", "job-1")
    assert server.objects[PATH] == before


def test_who_waits_is_told_for_whom(server: ApiServer, cluster: Cluster) -> None:
    server.put(f"{WORKFLOWS}/job-2", AT_WORK)
    server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    with pytest.raises(lease.HeldError, match=r"^node gpu-1 is held by job job-2$"):
        lease.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-2"


def test_a_job_that_argo_has_not_seen_yet_holds_its_node(server: ApiServer, cluster: Cluster) -> None:
    server.put(f"{WORKFLOWS}/job-2", {})
    server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    with pytest.raises(lease.HeldError):
        lease.take(cluster, "gpu-1", "job-1")


@pytest.mark.parametrize("left_by", ["a completed job", "a job that is gone", "nobody"])
def test_a_lease_that_was_left_behind_is_free(server: ApiServer, cluster: Cluster, left_by: str) -> None:
    if left_by == "a completed job":
        server.put(f"{WORKFLOWS}/job-2", COMPLETED)
    server.put(PATH, {"spec": {"holderIdentity": "" if left_by == "nobody" else "job-2"}})
    lease.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-1"


def test_of_two_who_take_over_at_once_one_gets_it(server: ApiServer, cluster: Cluster) -> None:
    server.put(f"{WORKFLOWS}/job-3", AT_WORK)
    server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    server.before_write = lambda: server.put(PATH, {"spec": {"holderIdentity": "job-3"}})
    with pytest.raises(lease.HeldError, match="job-3"):
        lease.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-3"


def test_many_at_once_leave_one_holder(server: ApiServer) -> None:
    jobs = [f"job-{number}" for number in range(8)]
    for job in jobs:
        server.put(f"{WORKFLOWS}/{job}", AT_WORK)
    got: list[str] = []

    def take(job: str) -> None:
        with serving(server) as own:
            try:
                lease.take(own, "gpu-1", job)
            except lease.HeldError:
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
    lease.take(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-1"


def test_release_frees_it(server: ApiServer, cluster: Cluster) -> None:
    lease.take(cluster, "gpu-1", "job-1")
    lease.release(cluster, "gpu-1", "job-1")
    assert PATH not in server.objects


def test_release_leaves_another_jobs_lease_alone(server: ApiServer, cluster: Cluster) -> None:
    server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    lease.release(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-2"


def test_release_loses_the_race_gracefully(server: ApiServer, cluster: Cluster) -> None:
    lease.take(cluster, "gpu-1", "job-1")
    server.before_write = lambda: server.put(PATH, {"spec": {"holderIdentity": "job-2"}})
    lease.release(cluster, "gpu-1", "job-1")
    assert holder(server) == "job-2"


def test_release_of_nothing_is_done(cluster: Cluster) -> None:
    lease.release(cluster, "gpu-1", "job-1")
