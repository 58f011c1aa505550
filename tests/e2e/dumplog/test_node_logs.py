"""The journal and the kernel's log of the nodes that a workload runs on, for those who may read them."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.dumplog.workloads import (
    deployment,
    dumped,
    entries,
    node_down,
    opened,
    pod_spec,
    shell,
    submitted,
    whole,
)
from tests.e2e.live import Api, Cluster, wait_for

pytestmark = pytest.mark.xdist_group("dumplog")

RBAC = "rbac.authorization.k8s.io"
NO_RIGHT = "the job's owner may not get nodes/log of it"


@pytest.fixture(scope="module")
def pair(cluster: Cluster, workspace: str) -> dict[str, str]:
    """A Deployment over two nodes; the nodes by pod."""
    apart = {"labelSelector": {"matchLabels": {"app": "pair"}}, "topologyKey": "kubernetes.io/hostname"}
    spec = pod_spec(
        shell("main", "echo here; sleep 3600"),
        affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
    )
    cluster.apply(deployment(workspace, "pair", 2, spec))
    cluster.kubectl("rollout", "status", "deployment/pair", "-n", workspace, "--timeout=300s")
    pods = cluster.items("pods", "-n", workspace, "-l", "app=pair")
    return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in pods}


@pytest.fixture(scope="module")
def caller(cluster: Cluster, workspace: str) -> Iterator[Callable[..., Api]]:
    """Somebody who may have workloads' logs dumped in the workspace, and read the logs of these nodes; None: of all."""
    made: list[tuple[str, httpx.Client]] = []

    def become(nodes: list[str] | None) -> Api:
        name = f"{workspace}-{secrets.token_hex(4)}"
        account = {"kind": "ServiceAccount", "name": name, "namespace": workspace}

        def bound(kind: str, role: str, **metadata: str) -> dict[str, Any]:
            reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
            named = {"name": f"{name}-{role}", **metadata}
            return {
                "apiVersion": f"{RBAC}/v1",
                "kind": kind,
                "metadata": named,
                "roleRef": reference,
                "subjects": [account],
            }

        rule = {"apiGroups": [""], "resources": ["nodes/log"], "verbs": ["get"]}
        limited = rule if nodes is None else {**rule, "resourceNames": nodes}
        cluster.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": workspace}},
            {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [limited]},
            bound("ClusterRoleBinding", name),
            bound("RoleBinding", "opsjobs-workspace-user", namespace=workspace),
            bound("RoleBinding", "view", namespace=workspace),
        )
        token = cluster.token(name, workspace)
        client = httpx.Client(
            base_url=cluster.facts["url"],
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
            verify=cluster.trust,
        )
        made.append((name, client))
        return Api(client)

    yield become
    for name, client in made:
        client.close()
        cluster.kubectl("delete", "clusterrolebinding", f"{name}-{name}")
        cluster.kubectl("delete", "clusterrole", name)


@pytest.fixture(scope="module")
def reader(caller: Callable[..., Api]) -> Api:
    return caller(None)


def of_nodes(files: dict[str, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """The index's lines on nodes, by node and kind."""
    return {(log["node"], log["kind"]): log for log in json.loads(files["index.json"])["nodeLogs"]}


def node_steps(cluster: Cluster, job_id: str) -> list[Any]:
    pods = cluster.step_pods(job_id)
    return [pod for pod in pods if pod["metadata"]["labels"].get("opsjob.io/step") == "node-log"]


def test_both_nodes_journals_are_in_the_archive(cluster: Cluster, reader: Api, pair: dict[str, str]) -> None:
    word = f"e2e-{secrets.token_hex(6)}"
    nodes = sorted(set(pair.values()))
    assert len(nodes) == 2
    for node in nodes:
        cluster.on_host(node, "logger", "--tag", "opsjobs-e2e", f"{word} on {node}")
    job, files = whole(reader, "pair")
    assert {f"{pod}/main.log" for pod in pair} < set(files)
    described = of_nodes(files)
    assert set(described) == {(node, kind) for node in nodes for kind in ("journal", "kernel")}
    for node in nodes:
        lines = [line for line in files[f"nodes/{node}/journal.log"].splitlines() if word in line]
        assert [line.partition(f"{word} ")[2] for line in lines] == [f"on {node}"]
        assert lines[0].startswith(time.strftime("%Y-", time.gmtime()))
        assert described[node, "journal"]["bytes"] == len(files[f"nodes/{node}/journal.log"].encode())
        assert described[node, "journal"]["error"] == ""
        # Whether a kernel speaks at all to a node that is a container, is the machine's affair.
        kernel = described[node, "kernel"]
        assert kernel["error"] or kernel["file"] == f"nodes/{node}/kernel.log"
    steps = node_steps(cluster, job["jobId"])
    assert sorted(pod["spec"]["nodeName"] for pod in steps) == nodes
    assert {pod["spec"]["serviceAccountName"] for pod in steps} == {"opsjob-dumplog-node"}


def test_who_may_not_read_them_gets_the_rest_and_is_told(cluster: Cluster, api: Api, pair: dict[str, str]) -> None:
    job, files = whole(api, "pair")
    assert set(files) == {*(f"{pod}/main.log" for pod in pair), "index.json"}
    assert {log["error"] for log in of_nodes(files).values()} == {NO_RIGHT}
    first, second = sorted(set(pair.values()))
    message = job["conditions"][-1]["message"]
    assert message.startswith("job finished successfully; logs of nodes are not, or not wholly, in it: ")
    assert f"nodes {first}, {second}: {NO_RIGHT}" in message
    assert node_steps(cluster, job["jobId"]) == []


def test_a_right_to_one_node_is_a_right_to_that_one(
    cluster: Cluster, caller: Callable[..., Api], pair: dict[str, str]
) -> None:
    mine, other = sorted(set(pair.values()))
    job, files = whole(caller([mine]), "pair")
    assert {file for file in files if file.startswith("nodes/")} <= {
        f"nodes/{mine}/{kind}.log" for kind in ("journal", "kernel")
    }
    assert of_nodes(files)[mine, "journal"]["error"] == ""
    assert of_nodes(files)[other, "journal"]["error"] == NO_RIGHT
    assert f"node {other}: {NO_RIGHT}" in job["conditions"][-1]["message"]
    assert [pod["spec"]["nodeName"] for pod in node_steps(cluster, job["jobId"])] == [mine]


@pytest.mark.alone
@pytest.mark.long
def test_a_node_that_is_known_to_be_down_is_not_waited_for(cluster: Cluster, reader: Api, pair: dict[str, str]) -> None:
    down, up = sorted(set(pair.values()))
    with node_down(cluster, down):
        job = dumped(reader, "pair")
        files = opened(job)
    assert of_nodes(files)[down, "journal"]["error"] == "is NotReady"
    assert f"nodes/{up}/journal.log" in files
    assert [pod["spec"]["nodeName"] for pod in node_steps(cluster, job["jobId"])] == [up]


@pytest.mark.alone
@pytest.mark.long  # until a lost node is given up
def test_a_node_that_goes_down_meanwhile_holds_the_job_up_until_it_is_given_up_and_does_not_fail_it(
    cluster: Cluster, reader: Api, pair: dict[str, str]
) -> None:
    """Kubernetes still calls it Ready, so a step is put there, which nobody begins."""
    down, up = sorted(set(pair.values()))
    cluster.on_host(down, "systemctl", "stop", "kubelet")
    begun = time.monotonic()
    try:
        job = reader.finished(submitted(reader, "pair"), 900)
        took = time.monotonic() - begun
    finally:
        cluster.on_host(down, "systemctl", "start", "kubelet")
        wait_for(f"{down} Ready", lambda: down in cluster.nodes())
    print(f"\nthe job ended {took:.0f} s after the node went down")  # noqa: T201
    assert job["phase"] == "Succeeded", job["conditions"]
    files = opened(job)
    assert of_nodes(files)[down, "journal"]["error"]
    assert of_nodes(files)[up, "journal"]["error"] == ""
    assert f"node {down}" in job["conditions"][-1]["message"]
    assert {log["node"] for log in entries(files).values() if not log["error"]} == {up}
