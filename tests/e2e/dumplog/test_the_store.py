"""Everything that can go wrong on the way to the store, and that nothing is left of it.

The settings of the store are those of every step: who changes them is alone.
"""

import json
import secrets

import httpx
import pytest

from tests.e2e.dumplog.workloads import BUCKET, dumped, left_of, opened, submitted
from tests.e2e.live import Api, Cluster, wait_for
from tests.e2e.proxy import Proxy
from workflow_templates.object_store import Store


@pytest.mark.alone
def test_an_upload_that_is_cut_is_taken_up_again(api: Api, noisy: str, bad_way: Proxy) -> None:
    bad_way.cuts = 2
    files = opened(dumped(api, noisy))
    assert bad_way.was_cut == 2
    assert len(files["noisy/main.log"]) > 4_000_000


@pytest.mark.alone
@pytest.mark.long
def test_a_store_that_is_slow_but_answers_in_time_is_waited_for(
    api: Api, noisy: str, bad_way: Proxy, store: Store
) -> None:
    """Every answer is late by seconds, all of them together by less than the step has patience for."""
    bad_way.late = 5
    job = dumped(api, noisy)
    assert bad_way.was_late > 1
    assert len(left_of(store, job["jobId"])) == 1, "the object, and no upload"
    assert len(opened(job)["noisy/main.log"]) > 4_000_000


@pytest.mark.alone
@pytest.mark.long  # until it is given up
def test_a_store_that_cuts_every_upload_fails_the_job_with_the_cause_and_no_half_object(
    api: Api, noisy: str, bad_way: Proxy, store: Store
) -> None:
    bad_way.cuts = 1_000_000
    job = api.finished(submitted(api, noisy))
    assert (job["phase"], job["outputs"]) == ("Failed", [])
    assert "the object store at http" in job["conditions"][-1]["message"]
    assert "failed every try for 30 s" in job["conditions"][-1]["message"]
    assert bad_way.was_cut > 1
    assert left_of(store, job["jobId"]) == []


@pytest.mark.alone
def test_a_store_that_refuses_fails_the_job_at_once_and_says_what_to_look_at(
    cluster: Cluster, api: Api, noisy: str, store: Store
) -> None:
    def bucket(name: str) -> None:
        change = json.dumps({"data": {"OPSJOBS_STORE_BUCKET": name}})
        cluster.kubectl("patch", "configmap", "opsjobs-store", "-n", cluster.jobs, "--type=merge", "-p", change)

    bucket("nobodys")
    try:
        job = api.finished(submitted(api, noisy))
    finally:
        bucket(BUCKET)
    assert job["phase"] == "Failed"
    assert "has no bucket 'nobodys'" in job["conditions"][-1]["message"]
    assert "objectStore.bucket" in job["conditions"][-1]["message"]
    assert left_of(store, job["jobId"]) == []


def test_a_link_works_until_it_expires(store: Store) -> None:
    key = f"dumplog-expiry/{secrets.token_hex(3)}.txt"
    store.put(key, b"here", "text/plain")
    try:
        link = store.presigned(key, 20)
        assert httpx.get(link, trust_env=False).content == b"here"
        wait_for("its refusal", lambda: httpx.get(link, trust_env=False).status_code == 403)
        assert httpx.get(store.presigned(key, 600), trust_env=False).content == b"here"
    finally:
        store.request("DELETE", store.location.url(key))


@pytest.mark.alone
@pytest.mark.long
def test_a_step_whose_pod_is_lost_in_mid_upload_begins_again(
    cluster: Cluster, api: Api, noisy: str, bad_way: Proxy, store: Store
) -> None:
    """As when its node is drained."""
    bad_way.stalls = True
    job_id = submitted(api, noisy)
    wait_for("half a part in the store", lambda: bad_way.was_stalled)
    (pod,) = cluster.step_pods(job_id)
    bad_way.stalls = False
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], "-n", cluster.jobs, "--wait=false")
    job = api.finished(job_id)
    bad_way.resumed.set()
    assert job["phase"] == "Succeeded", job["conditions"]
    assert len(opened(job)["noisy/main.log"]) > 4_000_000
    assert len(left_of(store, job_id)) == 1, "the object, and no upload"


@pytest.mark.alone
def test_a_job_that_is_stopped_in_mid_upload_leaves_nothing(api: Api, noisy: str, bad_way: Proxy, store: Store) -> None:
    """The store takes half a part and no more; what came in of the upload goes all the same."""
    bad_way.stalls = True
    job_id = submitted(api, noisy)
    wait_for("half a part in the store", lambda: bad_way.was_stalled)
    assert left_of(store, job_id) != []
    api.stop(job_id)
    wait_for("the end of the upload", lambda: not left_of(store, job_id))
    bad_way.resumed.set()
    job = api.finished(job_id)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert left_of(store, job_id) == []
