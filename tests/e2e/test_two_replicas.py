"""Two copies of the service on PostgreSQL: one writes, both answer, and either may go at any moment."""

import ipaddress
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests import postgresql
from tests.e2e.live import Api, Cluster, inputs, wait_for

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(1800), pytest.mark.usefixtures("two")]

SECRET = "e2e-database"
CHART = "charts/opsjobs"


@contextmanager
def installed(cluster: Cluster, **values: str) -> Iterator[None]:
    """The chart with other values for the length of the block; then it is as it was."""
    namespace = cluster.facts["namespace"]
    before = json.loads(cluster.run("helm", "get", "values", "opsjobs", "-n", namespace, "-o", "json"))
    upgrade = ["upgrade", "opsjobs", CHART, "-n", namespace, "--wait", "--timeout", "5m", "-f", "-"]
    chosen = [word for name, value in values.items() for word in ("--set", f"{name.replace('__', '.')}={value}")]
    try:
        cluster.run("helm", *upgrade, *chosen, text=json.dumps(before))
        yield
    finally:
        cluster.run("helm", *upgrade, text=json.dumps(before))


@pytest.fixture(scope="module")
def two(cluster: Cluster) -> Iterator[None]:
    """Two replicas; their database is on the machine that the nodes run on."""
    network = ipaddress.ip_interface(f"{urlsplit(cluster.facts['url']).hostname}/24").network
    with postgresql.running(str(next(network.hosts()))) as server:
        url = server.create("opsjobs")
        secret = {"name": SECRET, "namespace": cluster.facts["namespace"]}
        cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"url": url}})
        try:
            with installed(cluster, replicas="2", database__existingSecret=SECRET):
                yield
        finally:
            cluster.kubectl("delete", "secret", SECRET, "-n", cluster.facts["namespace"], "--ignore-not-found")


def leader(cluster: Cluster) -> str:
    lease = cluster.get("lease", "opsjobs-leader", "-n", cluster.facts["namespace"])
    holder = str(lease["spec"].get("holderIdentity") or "")
    return next((name for name in cluster.ready_services() if name in holder), "")


def test_the_leader_is_killed_in_mid_job_and_the_other_goes_on(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    wait_for("two services", lambda: len(cluster.ready_services()) == 2)
    wait_for("a leader", lambda: leader(cluster))
    cluster.on_host(node, "sh", "-c", "rm -f /run/e2e-two*")
    script = "echo run >> /run/e2e-two-runs; until test -e /run/e2e-two-go; do sleep 0.2; done"
    job_id = api.create(name="two replicas", inputs=inputs(addon(script), nodes=[node]))
    wait_for("the script to begin", lambda: cluster.on_host(node, "ls", "/run").count("e2e-two-runs"))
    led = leader(cluster)
    cluster.kill_services(led)
    cluster.on_host(node, "touch", "/run/e2e-two-go")
    job = api.finished(job_id)
    assert job["phase"] == "Succeeded"
    assert cluster.on_host(node, "cat", "/run/e2e-two-runs").split() == ["run"]
    cluster.assert_given_back(job_id, node)
    assert wait_for("another leader", lambda: leader(cluster)) != led


def test_one_key_sent_to_both_is_one_job_and_both_answer_alike(
    cluster: Cluster, api: Api, addon: Callable[..., str], node: str
) -> None:
    wait_for("two services", lambda: len(cluster.ready_services()) == 2)
    template = addon("true")
    key = {"Idempotency-Key": f"two-{template}"}
    # Each request is a connection of its own, and the Service spreads them.
    ids = {api.create(name="once", inputs=inputs(template, nodes=[node]), headers=key) for _ in range(12)}
    assert len(ids) == 1
    job_id = ids.pop()
    assert api.finished(job_id)["phase"] == "Succeeded"
    listed = [api.client.get("/api/v1/opsjobs", params={"jobName": "once"}).json() for _ in range(12)]
    assert {(page["totalCount"], page["items"][0]["jobId"], page["items"][0]["phase"]) for page in listed} == {
        (1, job_id, "Succeeded")
    }
