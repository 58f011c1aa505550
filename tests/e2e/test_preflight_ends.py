"""preflight where not every check comes to its end: there is a report all the same, of what was known then."""

import json
import uuid
from typing import Any

import pytest

from tests.cluster_fixtures import Take
from tests.e2e.dumplog.workloads import node_down
from tests.e2e.live import Api, Cluster, wait_for
from tests.e2e.test_preflight import check, given_back, image, outputs, report, store
from workflow_templates.objects import Store

# Fixtures of the other module, by name.
__all__ = ["image", "store"]


def test_what_cannot_be_started_is_a_result(
    cluster: Cluster, api: Api, image: str, store: Store, two_nodes: list[str]
) -> None:
    """An image that does not exist, and a directory that is not there."""
    one, other = two_nodes
    assert cluster.on_host(other, "sh", "-c", "test -e /nfs_models || echo none").strip() == "none"
    missing = f"registry.invalid/none-{uuid.uuid4().hex[:6]}:1"
    of_image = check(api, missing, "true", [one])
    of_volume = check(api, image, "true", [other], hostpath=["/nfs_models"])
    for job_id, node, why in ((of_image, one, "ImagePull"), (of_volume, other, "/nfs_models")):
        job = api.finished(job_id)
        assert job["phase"] == "Failed"
        assert "could not be started" in job["conditions"][-1]["message"]
        assert why in job["conditions"][-1]["message"]
        found = report(store, job)[node]
        assert found["status"] == "error"
        assert why in found["reason"]
    wait_for("the nodes to be given back", lambda: given_back(cluster, one, other))


def test_a_timeout_leaves_a_report_of_what_was_known(
    cluster: Cluster, api: Api, image: str, store: Store, nodes: Take
) -> None:
    slow, *quick = mine = nodes(3)
    script = f'test "$NODE_NAME" != {slow} || sleep 600'
    job = api.finished(check(api, image, script, mine, timeoutSecond=60))
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Timeout")
    found = report(store, job)
    assert found[slow]["status"] == "error"
    assert {found[node]["status"] for node in quick} == {"pass"}
    wait_for("the nodes to be given back", lambda: given_back(cluster, slow, *quick))


def test_a_stop_leaves_a_report_of_what_was_known(
    cluster: Cluster, api: Api, image: str, store: Store, nodes: Take
) -> None:
    slow, *quick = mine = nodes(3)
    found_first = json.dumps({"checks": [{"name": "before", "ok": True}]})
    script = f"""
        echo '{found_first}' > "$OPSJOB_RESULT"
        test "$NODE_NAME" != {slow} || sleep 600
    """
    job_id = check(api, image, script, mine)

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
    with node_down(cluster, dead):
        job = api.finished(job_id, 1200)
        after = api.finished(check(api, image, "true", mine), 600)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Failed")
    found = report(store, job)
    assert found[dead]["status"] == "error"
    assert found[dead]["reason"]
    assert {found[node]["status"] for node in others} == {"pass"}
    assert json.loads(outputs(job)["failedNodes"]) == [dead]
    assert after["phase"] == "Succeeded", after
    found = report(store, after)
    assert (found[dead]["status"], "NotReady" in found[dead]["reason"]) == ("skip", True)
    assert json.loads(outputs(after)["healthyNodes"]) == others
    wait_for("the nodes to be given back", lambda: given_back(cluster, dead, *others))
