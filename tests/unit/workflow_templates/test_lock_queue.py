"""A job of several nodes locks all of them or none, and neither it nor the others wait for ever."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer, serving
from workflow_templates import lock_queue, locks
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.preflight import lock_all_nodes
from workflow_templates.protocol import labels, node_lock

NOW = datetime.now(UTC)
#: Seconds that a node may be NotReady before a job that waits for it gives it up.
LOST = 300


def job(server: ApiServer, name: str, *nodes: str, minutes_ago: float = 0) -> None:
    """One that goes on, created so long ago."""
    value = json.dumps(nodes)
    arguments = {"parameters": [{"name": "nodes", "value": value}]}
    created = (NOW - timedelta(minutes=minutes_ago)).isoformat()
    server.put(f"{WORKFLOWS}/{name}", {"metadata": {"creationTimestamp": created}, "spec": {"arguments": arguments}})


def waits(server: ApiServer, name: str, *, minutes: float) -> None:
    """It has for so long."""
    path = f"{LEASES}/waiting-{name}"
    since = (NOW - timedelta(minutes=minutes)).isoformat()
    noted = server.objects[path]
    server.put(path, {**noted, "metadata": {**noted["metadata"], "creationTimestamp": since}})


def locked(server: ApiServer) -> dict[str, Any]:
    return {
        path.rpartition("/node-")[2]: item["spec"]["holderIdentity"]
        for path, item in server.objects.items()
        if "/leases/node-" in path
    }


def test_one_busy_node_and_none_is_locked(server: ApiServer, cluster: Cluster) -> None:
    job(server, "addon", "b")
    job(server, "fleet", "a", "b", "c")
    locks.take(cluster, "b", "addon")
    with pytest.raises(locks.HeldError, match="node b is locked by job addon"):
        lock_all_nodes.take_all(cluster, "fleet", LOST)
    assert locked(server) == {"b": "addon"}
    locks.take(cluster, "a", "addon")
    locks.release(cluster, "a", "addon")
    locks.release(cluster, "b", "addon")
    assert lock_all_nodes.take_all(cluster, "fleet", LOST) == "3 nodes are locked by job fleet"
    assert locked(server) == {"a": "fleet", "b": "fleet", "c": "fleet"}
    assert not [path for path in server.objects if "waiting-" in path], "it waits no more"


def test_after_its_patience_a_job_that_came_later_leaves_it_the_nodes(server: ApiServer, cluster: Cluster) -> None:
    job(server, "addon", "b", minutes_ago=60)
    job(server, "fleet", "a", "b", minutes_ago=30)
    job(server, "later", "a", minutes_ago=20)
    locks.take(cluster, "b", "addon")
    with pytest.raises(locks.HeldError):
        lock_all_nodes.take_all(cluster, "fleet", LOST)
    waits(server, "fleet", minutes=9)
    locks.take(cluster, "a", "later")
    locks.release(cluster, "a", "later")
    waits(server, "fleet", minutes=25)
    with pytest.raises(locks.HeldError, match="node a is left to job fleet, which has waited for it and others longer"):
        locks.take(cluster, "a", "later")
    locks.take(cluster, "a", "addon")  # it was there before the job that waits
    locks.release(cluster, "a", "addon")
    locks.release(cluster, "b", "addon")
    lock_all_nodes.take_all(cluster, "fleet", LOST)
    assert locked(server) == {"a": "fleet", "b": "fleet"}


def test_of_two_that_wait_the_longer_goes_first(server: ApiServer, cluster: Cluster) -> None:
    job(server, "addon", "b")
    for name in ("first", "second"):
        job(server, name, "a", "b")
    locks.take(cluster, "b", "addon")
    for name, minutes in (("second", 20), ("first", 30)):
        with pytest.raises(locks.HeldError):
            lock_all_nodes.take_all(cluster, name, LOST)
        waits(server, name, minutes=minutes)
    locks.release(cluster, "b", "addon")
    with pytest.raises(locks.HeldError, match="left to job first"):
        lock_all_nodes.take_all(cluster, "second", LOST)
    lock_all_nodes.take_all(cluster, "first", LOST)


def test_a_job_that_is_over_or_gone_waits_for_nothing(server: ApiServer, cluster: Cluster) -> None:
    job(server, "addon", "b")
    job(server, "fleet", "a", "b")
    locks.take(cluster, "b", "addon")
    with pytest.raises(locks.HeldError):
        lock_all_nodes.take_all(cluster, "fleet", LOST)
    waits(server, "fleet", minutes=60)
    server.objects.pop(f"{WORKFLOWS}/fleet")
    locks.take(cluster, "a", "addon")
    assert locked(server)["a"] == "addon"


def test_what_says_that_it_waits_goes_with_its_workflow(server: ApiServer, cluster: Cluster) -> None:
    job(server, "fleet", "a")
    found = server.objects[f"{WORKFLOWS}/fleet"]
    lock_queue.join(cluster, found, ["a"])
    lock_queue.join(cluster, found, ["a"])
    (owner,) = server.objects[f"{LEASES}/waiting-fleet"]["metadata"]["ownerReferences"]
    assert owner["uid"] == found["metadata"]["uid"]


def died(server: ApiServer, node: str, *, seconds_ago: float, holder: str = "before", **metadata: Any) -> None:
    """NotReady for so long, with scripts that were begun under the lock of a job."""
    since = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
    ready = {"type": "Ready", "status": "Unknown", "lastTransitionTime": since}
    server.put(f"/api/v1/nodes/{node}", {"status": {"conditions": [ready], "nodeInfo": {"bootID": "boot-1"}}})
    work = node_lock.Work(holder, "boot-1").text()
    annotations = {labels.WORK_BEGUN: work, labels.JOB_OVER: "before", **metadata}
    server.put(f"{LEASES}/node-{node}", {"metadata": {"annotations": annotations}, "spec": {"holderIdentity": holder}})


@given(st.lists(st.sampled_from("abcd"), unique=True))
def test_nodes_that_died_under_a_job_which_is_over_are_not_waited_for(dead: list[str]) -> None:
    server = ApiServer()
    with serving(server) as cluster:
        job(server, "fleet", *"abcd")
        for node in dead:
            died(server, node, seconds_ago=LOST + 1)
        sentence = lock_all_nodes.take_all(cluster, "fleet", LOST)
    assert locked(server) == {node: "before" if node in dead else "fleet" for node in "abcd"}
    names = f"; NotReady, and left to a job that is over: {', '.join(sorted(dead))}" if dead else ""
    assert sentence == f"{4 - len(dead)} nodes are locked by job fleet{names}"


def test_one_that_may_soon_be_back_is_and_so_is_one_of_a_job_that_goes_on(server: ApiServer, cluster: Cluster) -> None:
    job(server, "fleet", "a", "b")
    died(server, "b", seconds_ago=0)
    with pytest.raises(locks.HeldError, match="node b is locked by job before, which is over"):
        lock_all_nodes.take_all(cluster, "fleet", LOST)
    job(server, "addon", "b")
    died(server, "b", seconds_ago=LOST + 1, holder="addon")
    with pytest.raises(locks.HeldError, match=r"node b is locked by job addon$"):
        lock_all_nodes.take_all(cluster, "fleet", LOST)
    assert set(locked(server)) == {"b"}


def test_one_whose_reboot_is_pending_is_waited_for_until_that_is_over(server: ApiServer, cluster: Cluster) -> None:
    job(server, "fleet", "a", "b")
    told = node_lock.RebootNote(datetime.now(UTC) - timedelta(seconds=LOST + 60), "boot-1", None)
    died(server, "b", seconds_ago=LOST + 1, **{labels.TOLD_TO_REBOOT: told.text()})
    with pytest.raises(locks.HeldError, match="the reboot that it began is pending"):
        lock_all_nodes.take_all(cluster, "fleet", LOST)
