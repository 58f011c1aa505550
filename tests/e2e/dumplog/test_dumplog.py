"""dumplog in full: real pods, a real store, links that anybody opens, and what workloads there are."""

import json
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.examples import DUMPLOG
from tests.e2e.cli.conftest import Opsjobs
from tests.e2e.dumplog.workloads import (
    BUCKET,
    bare,
    deployment,
    dumped,
    entries,
    left_of,
    node_down,
    opened,
    outputs,
    pod_spec,
    shell,
    submitted,
    whole,
)
from tests.e2e.live import SLEEPER, Api, Cluster, wait_for
from workflow_templates.object_store import Store

pytestmark = pytest.mark.xdist_group("dumplog")


def test_the_document_s_example_as_it_is(cluster: Cluster, api: Api, workspace: str, tmp_path: Path) -> None:
    """A Job whose only pod failed after its init container; the link gives all there is of it, as `opsjobs` does."""
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
    # But for what is said of its node's own logs (test_node_logs.py) there is nothing to say.
    finished, *missing = job["conditions"][-1]["message"].split("; ")
    assert finished == "job finished successfully"
    assert all(text.startswith("logs of nodes") for text in missing)
    assert (job["plan"]["nodes"], job["timeoutSecond"], job["workspaceId"]) == ([], 1800, workspace)
    assert outputs(job)["log"] == f"s3://{BUCKET}/dumplog/{name}/{job['jobId']}.tar.gz"

    files = opened(job)
    (pod,) = cluster.items("pods", "-n", workspace, "-l", f"job-name={name}")
    main, fetch = (f"{pod['metadata']['name']}/{container}.log" for container in ("main", "fetch"))
    assert set(files) == {main, fetch, "index.json"}
    # Written to two streams, which reach the kubelet as they do.
    assert sorted(files[main].splitlines(keepends=True)) == ["epoch 1\n", "out of memory\n"]
    assert files[fetch] == "fetched {{x}} 数据\n"
    described = entries(files)
    assert described[main]["node"] == pod["spec"]["nodeName"]
    assert (described[main]["phase"], described[main]["exitCode"], described[main]["error"]) == ("Failed", 3, "")
    assert described[main]["bytes"] == len(files[main])
    assert pod["status"]["startTime"][:10] <= described[main]["firstTime"] <= described[main]["lastTime"]
    assert described[fetch]["kind"] == "init"

    archive = tmp_path / "archive.tar.gz"
    fetched = Opsjobs(cluster)("download", job["jobId"], "--file", str(archive))
    assert fetched.returncode == 0, fetched.stderr
    with tarfile.open(archive) as tar:
        assert set(tar.getnames()) == set(files)


def test_a_deployment_over_three_nodes_with_what_its_containers_wrote_before_they_restarted(
    api: Api, spread: dict[str, str]
) -> None:
    _, files = whole(api, "spread")
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
    (one, files), (two, _) = whole(api, "spread", nodes=(node,)), whole(api, "spread", nodes=(node,))
    assert outputs(one)["log"] != outputs(two)["log"]
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
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{definition}", "--timeout=300s")
        item = {"apiVersion": "e2e.opsjob.io/v1", "kind": "Training"}
        cluster.apply({**item, "metadata": {"name": "llm", "namespace": workspace}})
        uid = cluster.get(definition, "llm", "-n", workspace)["metadata"]["uid"]
        owned = {"name": "llm-workers", "ownerReferences": [{**item, "name": "llm", "uid": uid, "controller": True}]}
        workers = deployment(workspace, "llm-workers", 1, pod_spec(shell("main", "echo step 7; sleep 3600")))
        cluster.apply({**workers, "metadata": {**workers["metadata"], **owned}})
        cluster.kubectl("rollout", "status", "deployment/llm-workers", "-n", workspace, "--timeout=300s")
        _, files = whole(api, "llm")
        assert [content for name, content in files.items() if name.endswith("/main.log")] == ["step 7\n"]
    finally:
        cluster.kubectl("delete", "crd", definition, "--wait=false")


def test_every_controller_of_kubernetes_leads_to_its_pods(
    cluster: Cluster, api: Api, workspace: str, workload_nodes: list[str]
) -> None:
    """A StatefulSet, a DaemonSet, and a CronJob by way of the Job that it made."""
    names = ["stateful", "daemon", "cron"]
    pods = {
        name: pod_spec(shell("main", f"echo said by {name}; sleep 3600"), restartPolicy="Always") for name in names[:2]
    }
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": workload_nodes[:1]}]}]
    pods["daemon"]["affinity"] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    }
    apps: dict[str, Any] = {
        name: {
            "apiVersion": "apps/v1",
            "metadata": {"name": name, "namespace": workspace},
            "spec": {
                "selector": {"matchLabels": {"app": name}},
                "template": {"metadata": {"labels": {"app": name}}, "spec": spec},
            },
        }
        for name, spec in pods.items()
    }
    once = pod_spec(shell("main", "echo said by cron"), restartPolicy="Never")
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "cron", "namespace": workspace},
        "spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": once}}}},
    }
    apps["stateful"]["spec"] |= {"serviceName": "stateful", "replicas": 1}
    cluster.apply({**apps["stateful"], "kind": "StatefulSet"}, {**apps["daemon"], "kind": "DaemonSet"}, cron)
    cluster.kubectl("create", "job", "cron-now", "--from=cronjob/cron", "-n", workspace)
    for name in names[:2]:
        kind = {"stateful": "statefulset", "daemon": "daemonset"}[name]
        cluster.kubectl("rollout", "status", f"{kind}/{name}", "-n", workspace, "--timeout=300s")
    cluster.kubectl("wait", "--for=condition=Complete", "job/cron-now", "-n", workspace, "--timeout=300s")
    jobs = {name: submitted(api, name) for name in names}
    for name, job_id in jobs.items():
        job = api.finished(job_id)
        assert job["phase"] == "Succeeded", job["conditions"]
        files = opened(job)
        assert [content for file, content in files.items() if file.endswith("/main.log")] == [f"said by {name}\n"]
        assert entries(files)[next(iter(files))]["uid"]


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
    wait_for("the right to be seen", lambda: ask().status_code == 200)


@pytest.mark.alone
@pytest.mark.long
def test_a_node_that_is_down_costs_only_its_own_logs(cluster: Cluster, api: Api, spread: dict[str, str]) -> None:
    lost, node = next(item for item in spread.items() if item[1] != "control-plane")
    others = [item for item in spread.items() if item[0] != lost]
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
