"""The one real cluster, shared by tests that run beside each other.

What a test needs to know of it:

- Whatever a job works on is a node of the test's own: `node`, `two_nodes`, or `nodes(3)` where it takes more. Nobody
  else's job works on it meanwhile. `cluster.nodes()[0]` is another test's node.
- `idle_node` (`idle_nodes(2)`) is one on which no workload runs: for jobs that wait for that (securityUpgrade).
- Pods that a test runs by itself are workloads. They go to `workload_nodes` (a nodeSelector of live.WORKLOADS has them
  scheduled there; many tests may at once), or to a node of the test's own, and are gone when the test gives it back.
- What a test cordons, taints, labels or restarts is an `idle_node`.
- What needs no node (dry runs, admission, rights, dumplog, exportimage) takes none and waits for none.
- `@pytest.mark.alone` is for what nothing may run beside: it kills the service or Argo, stops a kubelet, restarts a
  node that is not its own, changes settings that all steps read, needs to know all jobs there are, or measures time.
- Names that a test makes are its own (`secrets.token_hex(3)`); it finds its jobs by id or by such a name; it never
  counts what there is in the whole cluster, and never expects a list to hold nothing else.
- Tests of one module that share an expensive fixture stay in one process: `pytestmark = pytest.mark.xdist_group("x")`.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.live import WORKLOADS, Api, Cluster, wait_for
from tests.node_pool import locked, taken

BUILD = Path(__file__).parents[1] / "build"
#: Where the locks on nodes lie.
LOCKS = BUILD / "test-nodes"
#: Seconds that a test waits for nodes which others hold: longer than any of them holds one.
NODES_WITHIN = 800

Take = Callable[[int], list[str]]


@dataclass
class Held:
    """What one test, or fixture, holds; all of it is taken at once: whoever takes more later may wait for ever."""

    cluster: Cluster
    until: ExitStack
    names: list[str] = field(default_factory=list)

    def take(self, names: list[str], count: int) -> list[str]:
        assert not self.names, f"this test has nodes {self.names} already: take all of them at once"
        self.names = self.until.enter_context(held_nodes(self.cluster, names, count))
        return self.names


@pytest.fixture(scope="session")
def run_id(request: pytest.FixtureRequest) -> str:
    """The same in all processes of one test run, and another in the next."""
    worker = getattr(request.config, "workerinput", None)
    return str(worker["testrunuid"]) if worker else secrets.token_hex(16)


@pytest.fixture(scope="session")
def cluster(run_id: str) -> Iterator[Cluster]:
    """The cluster, without what an interrupted run left: its jobs hold nodes that these tests need."""
    facts = BUILD / "cluster.json"
    assert facts.exists(), "no cluster: run make up first"
    found = Cluster(json.loads(facts.read_text()))
    # For clients that are given no `verify=cluster.trust`: httpx and programs of Go trust what this names.
    if authority := found.facts.get("ca"):
        os.environ["SSL_CERT_FILE"] = authority
    with locked(LOCKS / "run"):
        last = LOCKS / "run.txt"
        if not last.exists() or last.read_text() != run_id:
            _clear(found)
            last.write_text(run_id)
    yield found
    found.close()


ADMIN = "e2e-admin"


def _clear(cluster: Cluster) -> None:
    namespace = cluster.facts["namespace"]
    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ADMIN, "namespace": namespace}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "opsjobs-e2e-admin"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "opsjobs-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": ADMIN, "namespace": namespace}],
        },
    )
    cluster.kubectl("label", "node", "--all", "--overwrite", *(f"{key}={value}" for key, value in WORKLOADS.items()))
    cluster.kubectl("label", "node", *_quiet(cluster), *(f"{key}-" for key in WORKLOADS))
    # No pod is kept away by it, nor a node left out of a plan; steps that may run anywhere run on the others, so that a
    # test may restart these.
    cluster.kubectl("taint", "node", *_quiet(cluster), "opsjob-e2e=quiet:PreferNoSchedule", "--overwrite")
    with _client(cluster) as client:
        api = Api(client)
        for phase in ("Pending", "Running"):
            for item in client.get("/api/v1/opsjobs", params={"phase": phase, "limit": 1000}).json()["items"]:
                api.delete(item["jobId"])
                api.finished(item["jobId"])


def _client(cluster: Cluster) -> httpx.Client:
    """The service as an administrator.

    Some tests kill the service: no connection is kept beyond its request, and one that is refused is tried again.
    """
    headers = {"Authorization": f"Bearer {cluster.token(ADMIN)}"}
    limits = httpx.Limits(max_keepalive_connections=0)
    transport = httpx.HTTPTransport(retries=6, limits=limits, verify=cluster.trust)
    return httpx.Client(base_url=cluster.facts["url"], headers=headers, timeout=30, transport=transport)


@pytest.fixture(scope="session")
def admin(cluster: Cluster) -> str:  # noqa: ARG001 - it makes the account
    """A ServiceAccount that may do everything with jobs."""
    return ADMIN


@pytest.fixture(scope="session")
def session(cluster: Cluster) -> Iterator[httpx.Client]:
    with _client(cluster) as client:
        yield client


@pytest.fixture
def held(cluster: Cluster) -> Iterator[Held]:
    """The nodes of this test's own, until after all that it does with them."""
    with ExitStack() as until:
        yield Held(cluster, until)


@pytest.fixture
def api(session: httpx.Client, held: Held) -> Iterator[Api]:  # noqa: ARG001 - given back after the jobs' end
    """The service as an administrator; what a test leaves running is deleted after it, and its nodes are free again."""
    service = Api(session)
    yield service
    for job_id in service.submitted:
        if session.get(f"/api/v1/opsjobs/{job_id}").json()["phase"] not in ("Succeeded", "Failed"):
            service.delete(job_id)
            service.finished(job_id)


@contextmanager
def held_nodes(cluster: Cluster, names: list[str], count: int) -> Iterator[list[str]]:
    """Nodes of a fixture's own, `count` of these, for the length of the block."""
    with taken(names, count, LOCKS, seconds=NODES_WITHIN) as mine:
        for name in mine:
            wait_for(f"{name} to be Ready", lambda: name in cluster.nodes())  # noqa: B023
            wait_for(f"{name} to be locked by no job", lambda: cluster.lease_of(name) is None)  # noqa: B023
            _tidy(cluster, name)
        yield mine
        for name in mine:
            _tidy(cluster, name)


def _tidy(cluster: Cluster, name: str) -> None:
    """Take off what a test that failed, or a check that did, has left on a node."""
    node = cluster.get("node", name)
    if node["spec"].get("unschedulable"):
        cluster.kubectl("uncordon", name)
    if any(taint["key"] == "opsjob.io/unhealthy" for taint in node["spec"].get("taints", ())):
        cluster.kubectl("taint", "node", name, "opsjob.io/unhealthy-")
        cluster.kubectl("label", "node", name, "opsjob.io/preflight-")
        cluster.kubectl("annotate", "node", name, "opsjob.io/marked-by-")


@pytest.fixture
def nodes(cluster: Cluster, held: Held) -> Take:
    """Take so many nodes for this test, once, in the order of their names; they are free again after it.

    Tests of many nodes would keep those of one waiting: tests/conftest.py has them run in a row, at the beginning.
    """
    return lambda count: held.take(_workers(cluster)[::-1], count)


@pytest.fixture
def node(cluster: Cluster, held: Held) -> str:
    """A node of this test's own."""
    return held.take(_workers(cluster)[::-1], 1)[0]


@pytest.fixture
def two_nodes(cluster: Cluster, held: Held) -> list[str]:
    """Two nodes of this test's own."""
    return held.take(_workers(cluster)[::-1], 2)


@pytest.fixture
def idle_nodes(cluster: Cluster, held: Held) -> Take:
    """As `nodes`, of those on which nothing runs that a securityUpgrade would wait for: two at most."""

    def take(count: int) -> list[str]:
        mine = held.take(_quiet(cluster), count)
        for name in mine:
            wait_for(f"the end of what runs on {name}", lambda: not cluster.workloads_on(name))  # noqa: B023
        return mine

    return take


@pytest.fixture
def idle_node(idle_nodes: Take) -> str:
    return idle_nodes(1)[0]


@pytest.fixture
def workload_nodes(cluster: Cluster) -> list[str]:
    """For pods that tests run by themselves: any number of tests at a time. Never one of idle_nodes."""
    return workers_for_workloads(cluster)


def workers_for_workloads(cluster: Cluster) -> list[str]:
    return _workers(cluster)[2:]


def _quiet(cluster: Cluster) -> list[str]:
    """Nodes to which no pod comes that may as well go elsewhere."""
    return _workers(cluster)[:2]


@pytest.fixture
def nothing_ends(cluster: Cluster) -> None:
    """What an earlier test ran goes with its namespace, some time later; until then its node is busy."""
    wait_for(
        "the end of namespaces that were deleted",
        lambda: not [one for one in cluster.items("namespaces") if one["status"]["phase"] == "Terminating"],
    )


def _workers(cluster: Cluster) -> list[str]:
    return sorted(set(cluster.facts["containers"]) - {"control-plane"})


@pytest.fixture
def addon(cluster: Cluster) -> Iterator[Callable[..., str]]:
    """Make an AddonTemplate of a script for one test; answers its name."""
    made: list[str] = []

    def make(script: str, **spec: Any) -> str:
        name = f"e2e-{secrets.token_hex(4)}"
        cluster.apply(
            {
                "apiVersion": "opsjob.io/v1alpha1",
                "kind": "AddonTemplate",
                "metadata": {"name": name},
                "spec": {"description": "made by a test", "script": script, **spec},
            }
        )
        made.append(name)
        return name

    yield make
    if made:
        cluster.kubectl("delete", "addontemplate", *made, "--ignore-not-found")
