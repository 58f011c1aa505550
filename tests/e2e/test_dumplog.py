"""dumplog in full: real pods, a real store, links that anybody opens, and everything that can go wrong on the way."""

import base64
import io
import json
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from service.api.examples import DUMPLOG
from tests.e2e.live import SLEEPER, Api, Cluster, wait_for
from tests.e2e.proxy import Proxy, proxy_to
from workflow_templates.objects import Place, Store
from workflow_templates.sigv4 import Signer

BUSYBOX = {"image": SLEEPER["image"], "imagePullPolicy": "Never"}
BUCKET = "opsjobs"
#: Says its word in its first life, another one in its second.
TWO_LIVES = (
    "if test -e /lives/one; then echo second life; exec sleep 3600; fi; touch /lives/one; echo first life; exit 4"
)
#: About 4 MB that no compression makes small.
NOISE = "head -c 3000000 /dev/urandom | base64; sleep 3600"


@pytest.fixture(scope="module")
def workspace(cluster: Cluster, admin: str) -> Iterator[str]:
    """A workspace in which the tests' caller may read logs, by Kubernetes' own role for that."""
    name, rbac = f"e2e-logs-{secrets.token_hex(3)}", "rbac.authorization.k8s.io"
    # What an interrupted run left would be workloads of the same names in another workspace.
    cluster.kubectl("delete", "namespace", "-l", "opsjob-e2e=dumplog", "--timeout=180s")
    metadata = {"name": name, "labels": {"opsjob.io/workspace": name, "opsjob-e2e": "dumplog"}}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "view", "namespace": name},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": admin, "namespace": cluster.facts["namespace"]}],
        },
    )
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def shell(name: str, script: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **BUSYBOX, "command": ["/bin/busybox", "sh", "-c", f"PATH=/bin; {script}"], **fields}


def pod_spec(*containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"containers": list(containers), "terminationGracePeriodSeconds": 0, **fields}


def bare(workspace: str, name: str, *containers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": workspace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(*containers, **fields)}


def deployment(workspace: str, name: str, replicas: int, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": workspace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
        },
    }


def submitted(api: Api, workload: str, *, nodes: tuple[str, ...] = (), **body: Any) -> str:
    named = [{"name": "workload", "value": workload}, *({"name": "node", "value": node} for node in nodes)]
    return api.create(name=f"dump-{workload}", type="dumplog", inputs=named, **body)


def dumped(api: Api, workload: str, **fields: Any) -> dict[str, Any]:
    job = api.finished(submitted(api, workload, **fields))
    assert job["phase"] == "Succeeded", job["conditions"]
    return job


def outputs(job: dict[str, Any]) -> dict[str, str]:
    return {output["name"]: output["value"] for output in job["outputs"]}


def opened(job: dict[str, Any]) -> dict[str, str]:
    """The archive as whoever got the link sees it: plain HTTP, no proof of anything."""
    answer = httpx.get(outputs(job)["endpoint"], timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    with tarfile.open(fileobj=io.BytesIO(answer.content), mode="r:gz") as archive:
        return {member.name: file.read().decode() for member in archive if (file := archive.extractfile(member))}


def entries(files: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The index's lines by file; those without a file by pod and container."""
    return {log["file"] or f"{log['pod']}/{log['container']}": log for log in json.loads(files["index.json"])["logs"]}


def ran(cluster: Cluster, workspace: str, *pods: str) -> None:
    """Until they have been started, so that there is a log."""
    names = pods or tuple(pod["metadata"]["name"] for pod in cluster.items("pods", "-n", workspace))

    def started() -> bool:
        found = [cluster.get("pod", name, "-n", workspace) for name in names]
        return all(pod and pod["status"]["phase"] in ("Running", "Failed", "Succeeded") for pod in found)

    wait_for(f"the start of {names}", started)


@pytest.fixture(scope="session")
def store(cluster: Cluster) -> Iterator[Store]:
    """The bucket with the keys of the cluster's own, to see what is left in it."""
    keys = cluster.get("secret", "opsjobs-store", "-n", cluster.jobs)["data"]
    access_key, secret_key = (base64.b64decode(keys[name]).decode() for name in ("accessKey", "secretKey"))
    with httpx.Client(timeout=30, trust_env=False) as http:
        place = Place(endpoint=cluster.facts["storeUrl"], bucket=BUCKET)
        yield Store(http, place, Signer(access_key, secret_key, "us-east-1"))


def left_of(store: Store, job_id: str) -> list[str]:
    """What speaks of a job in lists of objects and of uploads that nobody completed."""
    bucket = f"{store.place.endpoint}/{BUCKET}"
    lists = (store.request("GET", f"{bucket}?list-type=2").text, store.request("GET", f"{bucket}?uploads=").text)
    return [text for text in lists if job_id in text]


def test_the_document_s_example_as_it_is(cluster: Cluster, api: Api, workspace: str) -> None:
    """A Job whose only pod failed after its init container; the link gives all there is of it."""
    name = DUMPLOG["inputs"][0]["value"]
    spec = pod_spec(
        shell("main", "echo epoch 1; echo out of memory >&2; exit 3"),
        initContainers=[shell("fetch", "echo fetched {{x}} 数据")],
        restartPolicy="Never",
    )
    cluster.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": workspace},
            "spec": {"backoffLimit": 0, "template": {"spec": spec}},
        }
    )
    failed = f"job/{name}"
    wait_for("its failure", lambda: cluster.get(failed, "-n", workspace)["status"].get("failed"))
    job = api.finished(api.create(**DUMPLOG))
    assert job["phase"] == "Succeeded"
    assert job["conditions"][-1]["message"] == "job finished successfully"
    assert (job["plan"]["nodes"], job["timeoutSecond"], job["workspaceId"]) == ([], 1800, workspace)
    assert outputs(job)["log"] == f"s3://{BUCKET}/dumplog/{name}/{job['jobId']}.tar.gz"

    files = opened(job)
    (pod,) = cluster.items("pods", "-n", workspace, "-l", f"job-name={name}")
    main, fetch = (f"{pod['metadata']['name']}/{container}.log" for container in ("main", "fetch"))
    assert set(files) == {main, fetch, "index.json"}
    assert files[main] == "epoch 1\nout of memory\n"
    assert files[fetch] == "fetched {{x}} 数据\n"
    described = entries(files)
    assert described[main]["node"] == pod["spec"]["nodeName"]
    assert (described[main]["phase"], described[main]["exitCode"], described[main]["error"]) == ("Failed", 3, "")
    assert described[main]["bytes"] == len(files[main])
    assert pod["status"]["startTime"][:10] <= described[main]["firstTime"] <= described[main]["lastTime"]
    assert described[fetch]["kind"] == "init"


@pytest.fixture(scope="module")
def spread(cluster: Cluster, workspace: str) -> dict[str, str]:
    """A Deployment over three nodes whose containers have all been restarted; the nodes by pod."""
    apart = {"labelSelector": {"matchLabels": {"app": "spread"}}, "topologyKey": "kubernetes.io/hostname"}
    spec = pod_spec(
        shell("main", TWO_LIVES, volumeMounts=[{"name": "lives", "mountPath": "/lives"}]),
        initContainers=[shell("sidecar", "echo beside; sleep 3600", restartPolicy="Always")],
        volumes=[{"name": "lives", "emptyDir": {}}],
        affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
    )
    cluster.apply(deployment(workspace, "spread", 3, spec))

    def restarted() -> dict[str, str] | None:
        pods = cluster.items("pods", "-n", workspace, "-l", "app=spread")
        statuses = [(pod["status"].get("containerStatuses") or [{}])[0] for pod in pods]
        if len(pods) == 3 and all(s.get("restartCount") and "running" in s["state"] for s in statuses):
            return {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in pods}
        return None

    found = wait_for("three restarted pods", restarted)
    assert found
    return found


def test_a_deployment_over_three_nodes_with_what_its_containers_wrote_before_they_restarted(
    api: Api, spread: dict[str, str]
) -> None:
    files = opened(dumped(api, "spread"))
    assert len(set(spread.values())) == 3
    for pod, node in spread.items():
        assert files[f"{pod}/main.previous.log"] == "first life\n"
        assert files[f"{pod}/main.log"] == "second life\n"
        assert files[f"{pod}/sidecar.log"] == "beside\n"
        before = entries(files)[f"{pod}/main.previous.log"]
        assert (before["node"], before["exitCode"], before["restartCount"]) == (node, 4, 1)
        assert entries(files)[f"{pod}/sidecar.log"]["kind"] == "sidecar"
    assert len(files) == 3 * 3 + 1


def test_node_inputs_narrow_it_and_nothing_is_overwritten(api: Api, spread: dict[str, str]) -> None:
    (first, node), *others = spread.items()
    one, two = dumped(api, "spread", nodes=(node,)), dumped(api, "spread", nodes=(node,))
    assert outputs(one)["log"] != outputs(two)["log"]
    files = opened(one)
    assert {file.partition("/")[0] for file in files} == {first, "index.json"}
    why = {entry["pod"]: entry["why"] for entry in json.loads(files["index.json"])["leftOut"]}
    assert why == {pod: f"is on node {other}, which no node input names" for pod, other in others}


def test_an_owner_chain_that_ends_in_a_custom_resource(cluster: Cluster, api: Api, workspace: str) -> None:
    kind = {"kind": "Training", "plural": "trainings", "singular": "training"}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
    }
    definition = "trainings.e2e.opsjob.io"
    cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": definition},
            "spec": {"group": "e2e.opsjob.io", "names": kind, "scope": "Namespaced", "versions": [version]},
        }
    )
    try:
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{definition}", "--timeout=60s")
        item = {"apiVersion": "e2e.opsjob.io/v1", "kind": "Training"}
        cluster.apply({**item, "metadata": {"name": "llm", "namespace": workspace}})
        uid = cluster.get(definition, "llm", "-n", workspace)["metadata"]["uid"]
        owned = {"name": "llm-workers", "ownerReferences": [{**item, "name": "llm", "uid": uid, "controller": True}]}
        workers = deployment(workspace, "llm-workers", 1, pod_spec(shell("main", "echo step 7; sleep 3600")))
        cluster.apply({**workers, "metadata": {**workers["metadata"], **owned}})
        cluster.kubectl("rollout", "status", "deployment/llm-workers", "-n", workspace, "--timeout=180s")
        files = opened(dumped(api, "llm"))
        assert [content for name, content in files.items() if name.endswith("/main.log")] == ["step 7\n"]
    finally:
        cluster.kubectl("delete", "crd", definition, "--wait=false")


def test_what_never_started_is_in_the_index_and_in_the_job_s_message(
    cluster: Cluster, api: Api, workspace: str
) -> None:
    """One container that cannot start does not lose the others."""
    broken = {"name": "broken", "image": "nowhere.invalid/none:1", "imagePullPolicy": "Never"}
    cluster.apply(bare(workspace, "half", shell("main", "echo here; sleep 3600"), broken))

    def stuck() -> bool:
        statuses = cluster.get("pod", "half", "-n", workspace)["status"].get("containerStatuses") or []
        states = {status["name"]: status["state"] for status in statuses}
        return "running" in states.get("main", {}) and "message" in states["broken"].get("waiting", {})

    wait_for("one container running and one stuck", stuck)
    job = dumped(api, "half")
    assert "1 of 2 logs" in job["conditions"][-1]["message"]
    assert "container broken of pod half: has not started: ErrImageNeverPull" in job["conditions"][-1]["message"]
    assert set(outputs(job)) == {"endpoint", "log"}
    files = opened(job)
    assert files["half/main.log"] == "here\n"
    assert "ErrImageNeverPull" in entries(files)["half/broken"]["error"]


def test_a_workload_without_a_pod_fails_and_says_what_was_looked_for(
    cluster: Cluster, api: Api, workspace: str, store: Store
) -> None:
    cluster.apply(deployment(workspace, "asleep", 0, pod_spec(SLEEPER)))
    job = api.finished(submitted(api, "asleep"))
    last = job["conditions"][-1]
    assert (job["phase"], last["reason"], job["outputs"]) == ("Failed", "Failed", [])
    assert "no pod" in last["message"]
    assert f"'asleep' in namespace '{workspace}'" in last["message"]
    assert "training.kubeflow.org/job-name" in last["message"]
    assert left_of(store, job["jobId"]) == []


def test_callers_read_through_a_job_only_what_they_may_read_themselves(
    cluster: Cluster, api: Api, workspace: str
) -> None:
    """The right to create dumplog jobs in a workspace is not yet the right to its pods' logs."""
    cluster.apply(bare(workspace, "private", shell("main", "echo mine; sleep 3600")))
    account = {"kind": "ServiceAccount", "name": "reader", "namespace": workspace}

    def let(role: str, resource: str, group: str, verb: str) -> None:
        metadata = {"name": role, "namespace": workspace}
        rbac = "rbac.authorization.k8s.io"
        rules = [{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]
        reference = {"apiGroup": rbac, "kind": "Role", "name": role}
        cluster.apply(
            {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": rules},
            {
                "apiVersion": f"{rbac}/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": reference,
                "subjects": [account],
            },
        )

    def ask() -> httpx.Response:
        body = {"name": "x", "type": "dumplog", "inputs": [{"name": "workload", "value": "private"}]}
        return api.client.post("/api/v1/opsjobs?dryRun=true", json=body, headers={"Authorization": f"Bearer {token}"})

    cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": workspace}}
    )
    token = cluster.token("reader", workspace)
    let("dumps", "opsjobs/dumplog", "opsjob.io", "create")
    refused = ask()
    assert refused.status_code == 403
    assert f"may not get pods/log in namespace '{workspace}'" in refused.json()["errorMessage"]
    let("reads", "pods/log", "", "get")
    wait_for("the right to be seen", lambda: ask().status_code == 200, 60)


@contextmanager
def node_down(cluster: Cluster, node: str) -> Iterator[None]:
    """Nobody answers for its containers, which run on; Kubernetes has noticed, so that no step is put there."""
    cluster.on_host(node, "systemctl", "stop", "kubelet")
    try:
        wait_for(f"{node} NotReady", lambda: node not in cluster.nodes())
        yield
    finally:
        cluster.on_host(node, "systemctl", "start", "kubelet")
        wait_for(f"{node} Ready", lambda: node in cluster.nodes())


def test_a_node_that_is_down_costs_only_its_own_logs(cluster: Cluster, api: Api, spread: dict[str, str]) -> None:
    (lost, node), *others = spread.items()
    with node_down(cluster, node):
        job = dumped(api, "spread")
    message = job["conditions"][-1]["message"]
    assert "3 of 9 logs" in message
    assert f"node {node} did not answer" in message
    files = opened(job)
    assert {file.partition("/")[0] for file in files} == {*(pod for pod, _ in others), "index.json"}
    described = entries(files)
    assert f"node {node} did not answer" in described[f"{lost}/main"]["error"]
    assert all(files[f"{pod}/main.log"] == "second life\n" for pod, _ in others)


@pytest.fixture
def bad_way(cluster: Cluster) -> Iterator[Proxy]:
    """Steps reach the store through a proxy of the test's on this machine, until the test ends."""
    gateway = f"{urlsplit(cluster.facts['url']).hostname}".rpartition(".")[0] + ".1"

    def settings(endpoint: str) -> None:
        change = json.dumps({"data": {"OPSJOBS_STORE_ENDPOINT": endpoint}})
        cluster.kubectl("patch", "configmap", "opsjobs-store", "-n", cluster.jobs, "--type=merge", "-p", change)

    usual = cluster.get("configmap", "opsjobs-store", "-n", cluster.jobs)["data"]["OPSJOBS_STORE_ENDPOINT"]
    with proxy_to(cluster.facts["storeUrl"]) as proxy:
        settings(f"http://{gateway}:{proxy.port}")
        try:
            yield proxy
        finally:
            settings(usual)


@pytest.fixture(scope="module")
def noisy(cluster: Cluster, workspace: str) -> str:
    """A pod with a log that is some megabytes also when compressed."""
    cluster.apply(bare(workspace, "noisy", shell("main", NOISE)))
    ran(cluster, workspace, "noisy")
    wait_for("all of its noise", lambda: len(cluster.kubectl("logs", "noisy", "-n", workspace)) > 4_000_000)
    return "noisy"


def test_an_upload_that_is_cut_is_taken_up_again(api: Api, noisy: str, bad_way: Proxy) -> None:
    bad_way.cuts = 2
    files = opened(dumped(api, noisy))
    assert bad_way.was_cut == 2
    assert len(files["noisy/main.log"]) > 4_000_000


def test_a_store_that_cuts_every_upload_fails_the_job_with_the_cause_and_no_half_object(
    api: Api, noisy: str, bad_way: Proxy, store: Store
) -> None:
    bad_way.cuts = 1_000_000
    job = api.finished(submitted(api, noisy))
    assert (job["phase"], job["outputs"]) == ("Failed", [])
    assert "the object store at http" in job["conditions"][-1]["message"]
    assert "did not take what it was sent for 30 s" in job["conditions"][-1]["message"]
    assert bad_way.was_cut > 1
    assert left_of(store, job["jobId"]) == []


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
