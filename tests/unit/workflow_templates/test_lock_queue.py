"""A job of several nodes locks all of them or none, and neither it nor the others wait for ever."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer
from workflow_templates import lock_queue, locks
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.preflight import lock_all_nodes

NOW = datetime.now(UTC)


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
        lock_all_nodes.take_all(cluster, "fleet")
    assert locked(server) == {"b": "addon"}
    locks.take(cluster, "a", "addon")
    locks.release(cluster, "a", "addon")
    locks.release(cluster, "b", "addon")
    assert lock_all_nodes.take_all(cluster, "fleet") == "3 nodes are locked by job fleet"
    assert locked(server) == {"a": "fleet", "b": "fleet", "c": "fleet"}
    assert not [path for path in server.objects if "waiting-" in path], "it waits no more"


def test_after_its_patience_a_job_that_came_later_leaves_it_the_nodes(server: ApiServer, cluster: Cluster) -> None:
    job(server, "addon", "b", minutes_ago=60)
    job(server, "fleet", "a", "b", minutes_ago=30)
    job(server, "later", "a", minutes_ago=20)
    locks.take(cluster, "b", "addon")
    with pytest.raises(locks.HeldError):
        lock_all_nodes.take_all(cluster, "fleet")
    waits(server, "fleet", minutes=9)
    locks.take(cluster, "a", "later")
    locks.release(cluster, "a", "later")
    waits(server, "fleet", minutes=25)
    with pytest.raises(locks.HeldError, match="node a is left to job fleet, which has waited for it and others longer"):
        locks.take(cluster, "a", "later")
    locks.take(cluster, "a", "addon")  # it was there before the job that waits
    locks.release(cluster, "a", "addon")
    locks.release(cluster, "b", "addon")
    lock_all_nodes.take_all(cluster, "fleet")
    assert locked(server) == {"a": "fleet", "b": "fleet"}


def test_of_two_that_wait_the_longer_goes_first(server: ApiServer, cluster: Cluster) -> None:
    job(server, "addon", "b")
    for name in ("first", "second"):
        job(server, name, "a", "b")
    locks.take(cluster, "b", "addon")
    for name, minutes in (("second", 20), ("first", 30)):
        with pytest.raises(locks.HeldError):
            lock_all_nodes.take_all(cluster, name)
        waits(server, name, minutes=minutes)
    locks.release(cluster, "b", "addon")
    with pytest.raises(locks.HeldError, match="left to job first"):
        lock_all_nodes.take_all(cluster, "second")
    lock_all_nodes.take_all(cluster, "first")


def test_a_job_that_is_over_or_gone_waits_for_nothing(server: ApiServer, cluster: Cluster) -> None:
    job(server, "addon", "b")
    job(server, "fleet", "a", "b")
    locks.take(cluster, "b", "addon")
    with pytest.raises(locks.HeldError):
        lock_all_nodes.take_all(cluster, "fleet")
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
