"""preflight on real nodes: what a check may use, what becomes of every way to end, and the report of it."""

import base64
import json
import re
import uuid
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest

from service.api.examples import PREFLIGHT
from tests.cluster_fixtures import Take
from tests.e2e.live import CLUSTER_ID, SLEEPER, Api, Cluster, wait_for
from tests.e2e.preflight_jobs import BUCKET, check, given_back, image, outputs, report, shown_by_argo, store, stored
from workflow_templates.object_store import Store

# Fixtures of the other module, by name.
__all__ = ["image", "store"]

IN_THE_CLUSTER = [{"name": "cluster", "value": CLUSTER_ID}]
#: A time as answers write it.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
#: The fields of the document's answer to GET.
DOCUMENTED = {
    *("jobId", "jobName", "clusterId", "workspaceId", "userId", "userName", "type", "phase", "creationTime"),
    *("startTime", "endTime", "deletionTime", "timeoutSecond", "conditions", "inputs", "outputs", "env", "resource"),
    *("image", "entryPoint", "isTolerateAll", "hostpath"),
}


def test_the_documents_example(cluster: Cluster, api: Api, image: str, store: Store, nodes: Take) -> None:
    """As it is, but for its image and its cluster: it asks for more than these nodes have."""
    mine = nodes(4)
    body = PREFLIGHT | {"image": image, "inputs": IN_THE_CLUSTER, "excludedNodes": ["control-plane"]}
    job = api.finished(api.create(**body))
    assert set(job) >= DOCUMENTED
    assert {name: job[name] for name in ("env", "resource", "entryPoint", "isTolerateAll", "hostpath")} == {
        name: PREFLIGHT[name] for name in ("env", "resource", "entryPoint", "isTolerateAll", "hostpath")
    }
    assert job["phase"] == "Failed"
    for node in mine:
        message = api.node(job, node)["message"]
        assert "could not be started within" in message
        assert "Insufficient" in message
    assert json.loads(outputs(job)["failedNodes"]) == mine
    assert report(store, job)["control-plane"]["status"] == "skip"
    wait_for("the nodes to be given back", lambda: given_back(cluster, *mine))


@pytest.mark.long
def test_the_documents_example_with_what_nodes_here_have(cluster: Cluster, api: Api, image: str, nodes: Take) -> None:
    """It asks for less, its directory is made, and the quote is closed that its command leaves open."""
    mine = nodes(4)
    for node in mine:
        cluster.on_host(node, "mkdir", "-p", "/nfs_models")
    lowered = {"cpu": "50m", "memory": "32Mi"}
    command = base64.b64encode(b"sh -c 'echo '").decode()
    body = {"image": image, "inputs": IN_THE_CLUSTER, "resource": lowered, "entryPoint": command}
    try:
        job = api.finished(api.create(**(PREFLIGHT | body | {"excludedNodes": ["control-plane"]})))
    finally:
        for node in mine:
            cluster.on_host(node, "rmdir", "/nfs_models", check=False)
    assert set(job) >= DOCUMENTED
    assert job["phase"] == "Succeeded", job
    assert {name: job[name] for name in ("type", "jobName", "timeoutSecond", "isTolerateAll", "hostpath", "env")} == {
        "type": "preflight",
        "jobName": PREFLIGHT["name"],
        **{name: PREFLIGHT[name] for name in ("timeoutSecond", "isTolerateAll", "hostpath", "env")},
    }
    assert {name: job[name] for name in body} == body
    for name in ("creationTime", "startTime", "endTime"):
        assert MOMENT.fullmatch(job[name]), name
    assert (job["deletionTime"], job["workspaceId"]) == ("", "")
    first, *between, last = job["conditions"]
    assert (first["type"], first["reason"]) == ("Pending", "Created")
    assert ("Running", "Started", "job started") in [(one["type"], one["reason"], one["message"]) for one in between]
    assert (last["type"], last["reason"]) == ("Succeeded", "Succeed")
    assert last["message"].startswith("job finished successfully")
    for condition in job["conditions"]:
        assert set(condition) == {"type", "status", "reason", "message", "lastTransitionTime"}
        assert condition["status"] == "True"
        assert MOMENT.fullmatch(condition["lastTransitionTime"])
    assert outputs(job)["report"] == f"s3://{BUCKET}/preflight/{job['jobId']}/report.json"


def test_all_healthy_with_everything_a_check_may_use(
    cluster: Cluster, api: Api, image: str, store: Store, two_nodes: list[str]
) -> None:
    script = """
        set -eu
        test "$GREETING" = '{{workflow.name}} "$HOME" it'"'"'s'
        test "$API_TOKEN" = sesame
        test "$OPSJOB_NODES" -gt 1
        test -d /var/log/pods && ! touch /var/log/pods/mine 2>/dev/null
        test "$(df -k /dev/shm | awk 'NR == 2 {print $2}')" = 16384
        test ! -e /var/run/secrets/kubernetes.io
        echo "$NODE_NAME is number $OPSJOB_RANK of $OPSJOB_ID"
        echo '{"checks": [{"name": "disk", "ok": true, "value": 12.5, "unit": "GiB"}]}' > "$OPSJOB_RESULT"
    """
    env = {"GREETING": '{{workflow.name}} "$HOME" it\'s', "API_TOKEN": "sesame"}
    resource = {"cpu": "50m", "memory": "64Mi", "sharedMemory": "16Mi", "ephemeralStorage": "64Mi"}
    job_id = check(api, image, script, two_nodes, env=env, resource=resource, hostpath=["/var/log"])
    job = api.finished(job_id)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Succeeded", "Succeed"), job
    assert job["env"] == env | {"API_TOKEN": "***"}
    assert json.loads(outputs(job)["healthyNodes"]) == two_nodes
    assert json.loads(outputs(job)["failedNodes"]) == []
    found = report(store, job)
    for rank, node in enumerate(two_nodes):
        assert (found[node]["status"], found[node]["exitCode"]) == ("pass", 0)
        assert found[node]["checks"][0] | {"value": 12.5} == {
            "name": "disk",
            "status": "pass",
            "value": 12.5,
            "unit": "GiB",
            "reason": "",
            "suggestedAction": "",
        }
        assert f"{node} is number {rank} of {job_id}" in found[node]["lastLines"]
    assert len(ET.fromstring(stored(store, job, "junit.xml"))) == len(found)  # noqa: S314 - our own report
    assert ET.fromstring(stored(store, job, "matrix.svg")).tag.endswith("svg")  # noqa: S314 - our own report
    assert stored(store, job, "matrix.svg") in shown_by_argo(cluster, job["jobId"])
    wait_for("the nodes to be given back", lambda: given_back(cluster, *two_nodes))


@pytest.mark.long  # make test has one that is marked until it passes
def test_unhealthy_nodes_are_named_with_their_reasons(api: Api, image: str, store: Store, nodes: Take) -> None:
    bad, unsure, *good = mine = nodes(3)
    found_bad = json.dumps({"checks": [{"name": "xid", "ok": False, "reason": "<79>", "action": "reboot"}]})
    script = f"""
        case $NODE_NAME in
        {bad}) echo '{found_bad}' > "$OPSJOB_RESULT"; echo 'the GPU fell off the bus' > /dev/termination-log; exit 1 ;;
        {unsure}) exit 2 ;;
        esac
    """
    job = api.finished(check(api, image, script, mine, resource={"cpu": "20m"}))
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Failed")
    for part in (bad, "the GPU fell off the bus", unsure, "could not be tested"):
        assert part in job["conditions"][-1]["message"]
    assert json.loads(outputs(job)["healthyNodes"]) == good
    assert json.loads(outputs(job)["failedNodes"]) == [bad, unsure]
    found = report(store, job)
    assert (found[bad]["status"], found[bad]["exitCode"]) == ("fail", 1)
    assert found[bad]["checks"][0]["suggestedAction"] == "reboot"
    assert (found[unsure]["status"], found[unsure]["exitCode"]) == ("error", 2)
    assert "<79>" not in stored(store, job, "matrix.svg")


def marks_of(cluster: Cluster, node: str) -> tuple[bool, bool]:
    """Whether a node has the taint and the label of local_cluster/values.yaml."""
    found = cluster.get("node", node)
    keys = {taint["key"] for taint in found["spec"].get("taints", [])}
    return "opsjob.io/unhealthy" in keys, found["metadata"]["labels"].get("opsjob.io/preflight") == "failed"


def test_a_node_that_failed_is_marked_until_it_passes(
    cluster: Cluster, api: Api, image: str, store: Store, nodes: Take
) -> None:
    bad, unsure, good = mine = nodes(3)
    other = {"key": "e2e", "value": "other", "effect": "PreferNoSchedule"}
    cluster.kubectl("taint", "node", bad, "e2e=other:PreferNoSchedule", "--overwrite")
    try:
        script = f"case $NODE_NAME in {bad}) exit 1 ;; {unsure}) no-such-tool ;; esac"
        job = api.finished(check(api, image, script, mine))
        assert job["phase"] == "Failed"
        assert "exit code 127" in api.node(job, unsure)["message"]
        found = report(store, job)
        assert [found[node]["status"] for node in (bad, unsure, good)] == ["fail", "error", "pass"]
        assert [marks_of(cluster, node) for node in (bad, good)] == [(True, True), (False, False)]
        unknown = marks_of(cluster, unsure)
        assert api.finished(check(api, image, "true", [bad]))["phase"] == "Succeeded"
        assert marks_of(cluster, bad) == (False, False)
        assert marks_of(cluster, unsure) == unknown, "nobody knows more of it than before"
        assert other in cluster.get("node", bad)["spec"]["taints"], "another's taint stays"
    finally:
        cluster.kubectl("taint", "node", bad, "e2e-", check=False)


#: Serves its node's name, and asks each peer for its own until all have answered and been answered.
AMONG_PEERS = """
exec python3 - <<'END'
import http.server, os, threading, time, urllib.request

asked = set()

class Name(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.add(self.client_address[0])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ["NODE_NAME"].encode())

server = http.server.ThreadingHTTPServer(("", 8080), Name)
threading.Thread(target=server.serve_forever, daemon=True).start()
peers = open(os.environ["OPSJOB_PEERS"]).read().split()
nodes = open("/etc/opsjob/nodes").read().split()
assert len(peers) == len(nodes) == int(os.environ["OPSJOB_NODES"])
found, end = {}, time.monotonic() + 120
while (len(found) < len(peers) or len(asked) < len(peers)) and time.monotonic() < end:
    for rank, peer in enumerate(peers):
        try:
            found[rank] = urllib.request.urlopen(f"http://{peer}:8080/", timeout=5).read().decode()
        except OSError as fault:
            print(peer, fault, flush=True)
    time.sleep(0.5)
time.sleep(3)
reached = [found.get(rank) for rank in range(len(peers))]
assert reached == nodes, reached
print("reached", *reached)
END
"""


def test_checks_find_each_other_by_name(api: Api, image: str, store: Store, nodes: Take) -> None:
    mine = nodes(3)
    job = api.finished(check(api, image, AMONG_PEERS, mine, timeoutSecond=240))
    assert job["phase"] == "Succeeded", job
    found = report(store, job)
    for node in mine:
        assert f"reached {' '.join(mine)}" in found[node]["lastLines"]


GPU = "nvidia.com/gpu"


@pytest.fixture
def gpus(cluster: Cluster, two_nodes: list[str]) -> Iterator[list[str]]:
    """Two nodes that say that they have two GPUs each, which nobody hands out."""

    def change(node: str, operation: dict[str, str]) -> None:
        path = f"/status/capacity/{GPU.replace('/', '~1')}"
        patch = json.dumps([operation | {"path": path}])
        cluster.kubectl("patch", "node", node, "--subresource=status", "--type=json", "-p", patch)

    for node in two_nodes:
        change(node, {"op": "add", "value": "2"})

    def offered() -> bool:
        """The kubelet makes what can be given out of it at its next report."""
        return all(cluster.get("node", node)["status"]["allocatable"].get(GPU) == "2" for node in two_nodes)

    wait_for("the GPUs to be offered", offered)
    yield two_nodes
    for node in two_nodes:
        change(node, {"op": "remove"})


@pytest.mark.long  # the manifest's own tests have every vendor
def test_gpus_are_asked_for_by_the_name_of_their_vendor(
    cluster: Cluster, api: Api, image: str, store: Store, gpus: list[str]
) -> None:
    one, other = gpus
    few = check(api, image, "true", [one], resource={"gpu": "1"})
    many = check(api, image, "true", [other], resource={"gpu": "9"})
    assert api.finished(few)["phase"] == "Succeeded"
    job = api.finished(many)
    assert job["phase"] == "Failed"
    found = report(store, job)[other]
    assert found["status"] == "error"
    assert f"Insufficient {GPU}" in found["reason"]
    wait_for("the nodes to be given back", lambda: given_back(cluster, one, other))


@pytest.fixture
def workspace(cluster: Cluster, two_nodes: list[str]) -> Iterator[tuple[str, str]]:
    """A workspace of two nodes, and a workload in it on the second of them."""
    name, (one, other) = f"e2e-{uuid.uuid4().hex[:6]}", two_nodes
    label = f"opsjob.io/workspace={name}"
    pod = {"nodeName": other, "terminationGracePeriodSeconds": 0, "containers": [SLEEPER]}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"opsjob.io/workspace": name}}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-pod", "namespace": name}, "spec": pod},
    )
    cluster.kubectl("label", "node", one, other, label, "--overwrite")
    placed = ["pod", f"{name}-pod", "-n", name]
    wait_for("the workload to run", lambda: cluster.get(*placed)["status"]["phase"] == "Running")
    yield name, f"{name}-pod"
    cluster.kubectl("label", "node", one, other, "opsjob.io/workspace-")
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.long  # the plan's own tests have every selection
def test_in_a_workspace_and_where_a_workload_runs(
    api: Api, image: str, store: Store, workspace: tuple[str, str], two_nodes: list[str]
) -> None:
    one, other = two_nodes
    space, workload = workspace
    first = check(api, image, "true", [], inputs=[{"name": "workspace", "value": space}], resource={"replica": 1})
    second = check(api, image, "true", [], inputs=[{"name": "workload", "value": workload}])
    job = api.finished(first)
    assert (job["phase"], job["workspaceId"]) == ("Succeeded", space), job
    found = report(store, job)
    assert {name: node["status"] for name, node in found.items() if node["status"] != "skip"} == {one: "pass"}
    assert "resource.replica" in found[other]["reason"]
    job = api.finished(second)
    assert (job["phase"], job["workspaceId"]) == ("Succeeded", space), job
    assert json.loads(outputs(job)["healthyNodes"]) == [other]


def test_a_node_that_is_not_ready_is_left_out_and_said_so(
    cluster: Cluster, api: Api, image: str, workload_nodes: list[str]
) -> None:
    ghost = f"ghost-{uuid.uuid4().hex[:6]}"
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": ghost}})
    try:
        body = {
            "name": "plan",
            "type": "preflight",
            "inputs": IN_THE_CLUSTER,
            "image": image,
            "entryPoint": base64.b64encode(b"true").decode(),
            "resource": {"replica": 1},
        }
        answer = api.client.post("/api/v1/opsjobs", params={"dryRun": "true"}, json=body)
    finally:
        cluster.kubectl("delete", "node", ghost)
    assert answer.status_code == 200, answer.text
    plan = answer.json()["plan"]
    reasons = {node["name"]: node["reason"] for node in plan["excluded"]}
    (chosen,) = [node["name"] for node in plan["nodes"]]
    assert "is NotReady" in reasons[ghost]
    assert {chosen} | {name for name, why in reasons.items() if "resource.replica" in why} >= set(workload_nodes)


def test_every_fault_of_a_request_is_named_in_one_answer(api: Api) -> None:
    body = PREFLIGHT | {"inputs": IN_THE_CLUSTER, "entryPoint": "not base64!", "hostpath": ["/var/log", "/etc"]}
    answer = api.client.post("/api/v1/opsjobs", json=body)
    assert answer.status_code == 400
    faults = {fault["path"]: fault["message"] for fault in answer.json()["errors"]}
    assert set(faults) == {"entryPoint", "hostpath[1]"}
    assert "Base64" in faults["entryPoint"]
    assert "/var/log, /nfs_models" in faults["hostpath[1]"]


@pytest.mark.long  # as with addon jobs, which test_node_locks.py watches each time
def test_a_second_job_on_the_same_node_waits_and_says_for_whom(
    cluster: Cluster, api: Api, image: str, node: str
) -> None:
    first = check(api, image, "while [ ! -e /var/log/e2e-go ]; do sleep 1; done", [node], hostpath=["/var/log"])
    try:
        api.until(first, "the first at work", lambda job: api.node(job, node)["phase"] == "Running")
        second = check(api, image, "true", [node])
        api.until(second, "to be told whom it waits for", lambda job: first in job["conditions"][-1]["message"])
    finally:
        cluster.on_host(node, "touch", "/var/log/e2e-go")
    assert api.finished(first)["phase"] == "Succeeded"
    assert api.finished(second)["phase"] == "Succeeded"
    cluster.on_host(node, "rm", "/var/log/e2e-go")
