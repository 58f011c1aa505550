"""preflight where not every check comes to its end: there is a report all the same, of what was known then."""

import json
import uuid
from typing import Any

import pytest

from tests.cluster_fixtures import Take
from tests.e2e.dumplog.workloads import node_down
from tests.e2e.live import Api, Cluster, wait_for
from tests.e2e.preflight_jobs import check, given_back, image, outputs, report, store
from workflow_templates.object_store import Store

# Fixtures of the other module, by name.
__all__ = ["image", "store"]


@pytest.mark.long  # make test has a directory that does not exist
def test_an_image_that_does_not_exist_is_a_result(cluster: Cluster, api: Api, store: Store, node: str) -> None:
    missing = f"registry.invalid/none-{uuid.uuid4().hex[:6]}:1"
    could_not_be_started(store, api.finished(check(api, missing, "true", [node])), node, "ImagePull")
    wait_for("the node to be given back", lambda: given_back(cluster, node))


@pytest.mark.xdist_group("control-plane")
def test_a_directory_that_is_not_there_is_a_result(cluster: Cluster, api: Api, image: str, store: Store) -> None:
    """Its kubelet tries for two minutes before it does anything else, so the node is one that no other test needs."""
    node = "control-plane"
    assert cluster.on_host(node, "sh", "-c", "test -e /nfs_models || echo none").strip() == "none"
    job_id = check(api, image, "true", [node], hostpath=["/nfs_models"], isTolerateAll=True)
    could_not_be_started(store, api.finished(job_id), node, "/nfs_models")
    wait_for("the node to be given back", lambda: given_back(cluster, node))


def could_not_be_started(store: Store, job: dict[str, Any], node: str, why: str) -> None:
    assert job["phase"] == "Failed"
    assert "could not be started" in job["conditions"][-1]["message"]
    assert why in job["conditions"][-1]["message"]
    found = report(store, job)[node]
    assert found["status"] == "error"
    assert why in found["reason"]


@pytest.mark.long  # make test has a stop, which ends it in the same way
def test_a_timeout_leaves_a_report_of_what_was_known(
    cluster: Cluster, api: Api, image: str, store: Store, two_nodes: list[str]
) -> None:
    slow, *quick = two_nodes
    script = f'test "$NODE_NAME" != {slow} || sleep 600'
    job = api.finished(check(api, image, script, two_nodes, timeoutSecond=60))
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Timeout")
    found = report(store, job)
    assert found[slow]["status"] == "error"
    assert {found[node]["status"] for node in quick} == {"pass"}
    wait_for("the nodes to be given back", lambda: given_back(cluster, slow, *quick))


def test_a_stop_leaves_a_report_of_what_was_known(
    cluster: Cluster, api: Api, image: str, store: Store, two_nodes: list[str]
) -> None:
    slow, *quick = two_nodes
    found_first = json.dumps({"checks": [{"name": "before", "ok": True}]})
    script = f"""
        echo '{found_first}' > "$OPSJOB_RESULT"
        test "$NODE_NAME" != {slow} || sleep 600
    """
    job_id = check(api, image, script, two_nodes)

    def midway(job: dict[str, Any]) -> bool:
        done = all(api.node(job, node)["phase"] == "Succeeded" for node in quick)
        return done and api.node(job, slow)["phase"] == "Running"

    api.until(job_id, "the end of the quick nodes' checks", midway)
    api.stop(job_id)
    job = api.finished(job_id)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    found = report(store, job)
    assert found[slow]["status"] == "error"
    assert {found[node]["status"] for node in quick} == {"pass"}
    assert [one["name"] for one in found[slow]["checks"]] == ["before"], "what it had found is not lost"
    assert json.loads(outputs(job)["healthyNodes"]) == quick
    wait_for("the nodes to be given back", lambda: given_back(cluster, slow, *quick))


@pytest.mark.alone
@pytest.mark.long  # until a lost node is given up
@pytest.mark.timeout(2400)
def test_a_node_that_dies_under_its_check_is_an_error_and_the_others_are_reported(
    cluster: Cluster, api: Api, image: str, store: Store, nodes: Take
) -> None:
    dead, *others = mine = nodes(4)
    job_id = check(api, image, f'test "$NODE_NAME" != {dead} || sleep 3600', mine)
    api.until(job_id, "its check at work", lambda job: api.node(job, dead)["phase"] == "Running")
    waiting = check(api, image, "true", mine)
    api.until(waiting, "it to say for whom it waits", lambda seen: job_id in seen["conditions"][-1]["message"])
    with node_down(cluster, dead):
        job = api.finished(job_id, 1200)
        # Its check may go on there, for all that anybody knows: the lock stays. Nobody waits for that node.
        assert cluster.lease_of(dead) == job_id
        given_up = api.finished(waiting, 600)
        later = api.finished(check(api, image, "true", mine), 600)
        assert cluster.lease_of(dead) == job_id
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Failed")
    found = report(store, job)
    assert found[dead]["status"] == "error"
    assert found[dead]["reason"]
    assert {found[node]["status"] for node in others} == {"pass"}
    assert json.loads(outputs(job)["failedNodes"]) == [dead]

    assert (given_up["phase"], given_up["conditions"][-1]["reason"]) == ("Failed", "Failed")
    found = report(store, given_up)
    assert found[dead]["status"] == "error"
    assert f"locked by job {job_id}, which is over" in found[dead]["reason"]
    assert {found[node]["status"] for node in others} == {"pass"}

    assert later["phase"] == "Succeeded", later
    assert [node["name"] for node in later["plan"]["excluded"]] == [dead]
    assert later["plan"]["excluded"][0]["reason"] == "is NotReady"
    assert sorted(json.loads(outputs(later)["healthyNodes"])) == sorted(others)
    wait_for("the nodes to be given back", lambda: given_back(cluster, dead, *others))
