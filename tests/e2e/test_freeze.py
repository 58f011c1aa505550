"""The whole cluster frozen, for everybody: nothing new begins on any node (contract: freeze)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.cli.conftest import Opsjobs
from tests.e2e.live import Api, Cluster, inputs, wait_for

URL = "/api/v1/freeze"
WHY = "a test of the freeze"


@pytest.fixture
def freeze(cluster: Cluster, api: Api) -> Iterator[Callable[[], None]]:
    """Freezes the cluster, by the command line; whatever comes of the test, it is unfrozen after it."""

    def put() -> None:
        done = Opsjobs(cluster)("freeze", "--reason", WHY)
        assert done.returncode == 0, done.stderr
        assert WHY in Opsjobs(cluster)("freeze", "--show").stdout

    try:
        yield put
    finally:
        assert api.client.delete(URL).status_code == 200


def node_of(job: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in job["plan"]["nodes"] if one["name"] == name)
    return found


def says_it_waits(job: dict[str, Any], *names: str) -> bool:
    """By whom and why, in its history and at each of these nodes."""
    frozen = any(one["reason"] == "Frozen" and WHY in one["message"] for one in job["conditions"])
    return frozen and all(WHY in node_of(job, name)["message"] for name in names)


@pytest.mark.alone
def test_a_frozen_cluster_begins_nothing_and_what_runs_finishes(
    cluster: Cluster, api: Api, addon: Callable[..., str], nodes: Callable[[int], list[str]], freeze: Callable[[], None]
) -> None:
    mine = nodes(4)
    go = "/run/e2e-freeze-go"
    for node in mine:
        cluster.on_host(node, "rm", "-f", go)
    slow, quick = addon(f"until test -e {go}; do sleep 0.2; done"), addon("true")
    running = api.create(name="rollout", inputs=inputs(slow, nodes=mine[:2]), rollout={"maxUnavailable": 1})
    job = api.until(
        running, "a node at work", lambda job: any(one["phase"] == "Running" for one in job["plan"]["nodes"])
    )
    begun = next(one["name"] for one in job["plan"]["nodes"] if one["phase"] == "Running")
    other = next(name for name in mine[:2] if name != begun)
    wait_for("its lock", lambda: cluster.lease_of(begun) == running)
    freeze()
    # Accepted, and waiting: without a rollout, and a reboot.
    accepted = api.create(name="addon", inputs=inputs(quick, nodes=[mine[2]]))
    reboot = api.create(type="reboot", name="reboot", inputs=[{"name": "node", "value": mine[3]}])
    api.until(running, "the rollout to say so", lambda job: says_it_waits(job, other))
    api.until(accepted, "the addon to say so", lambda job: says_it_waits(job, mine[2]))
    api.until(reboot, "the reboot to say so", lambda job: says_it_waits(job, mine[3]))
    # It holds while the service is down, and what runs finishes.
    killed = cluster.kill_services()
    for node in mine:
        cluster.on_host(node, "touch", go)
    wait_for("a new replica", lambda: cluster.ready_services() - killed)
    api.until(running, "what was at work to end", lambda job: node_of(job, begun)["phase"] == "Succeeded")
    api.until(running, "the other to wait", lambda job: says_it_waits(job, other))
    assert not any(cluster.lease_of(name) for name in (other, *mine[2:]))
    api.stop(reboot)
    stopped = api.finished(reboot)
    assert stopped["conditions"][-1]["reason"] == "Stopped"
    assert node_of(stopped, mine[3])["phase"] == "Skipped", stopped
    lifted = Opsjobs(cluster)("unfreeze")
    assert lifted.returncode == 0, lifted.stderr
    for job_id in (running, accepted):
        done = api.finished(job_id)
        assert done["phase"] == "Succeeded", done
        assert "Unfrozen" in [one["reason"] for one in done["conditions"]]
