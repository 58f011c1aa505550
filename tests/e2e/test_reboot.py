"""reboot on nodes that really restart: each ends with another boot id, Ready, and as schedulable as it was before."""

import itertools
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from service.api.examples import REBOOT
from tests.e2e.live import SLEEPER, Api, Cluster, wait_for

NAMESPACE = "e2e-reboot"
STAGES = ("lease", "cordon", "evict", "note-boot-id", "reboot", "wait", "restore", "release")
#: A reboot is nine pods in a row, on two cores that also run the cluster.
PATIENCE = 600


def docker(*command: str) -> str:
    done = subprocess.run(["docker", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


def boot_id(cluster: Cluster, node: str) -> str:
    return str(cluster.get("node", node)["status"]["nodeInfo"]["bootID"])


def starts(cluster: Cluster, node: str) -> int:
    """How often the node's machine was started again."""
    return int(docker("inspect", "--format", "{{.RestartCount}}", cluster.facts["containers"][node]))


def report(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (text,) = [output["value"] for output in job["outputs"] if output["name"] == "report"]
    return {entry["node"]: entry for entry in json.loads(text)}


def told(cluster: Cluster, node: str, job_id: str) -> list[str]:
    """Reasons of the events that this job left on a node, in order."""
    events = cluster.items("events", "-n", "default", "--field-selector", f"involvedObject.name={node}")
    ours = [event for event in events if event.get("message", "").startswith(f"job {job_id}: ")]
    return [event["reason"] for event in sorted(ours, key=lambda event: event["firstTimestamp"])]


def reboot(api: Api, *nodes: str, **body: Any) -> str:
    return api.create(
        name="e2e reboot", type="reboot", inputs=[{"name": "node", "value": node} for node in nodes], **body
    )


def at(api: Api, job_id: str, node: str, stage: str) -> None:
    """Come back when the node is at that stage."""

    def there(job: dict[str, Any]) -> bool:
        assert job["phase"] in ("Pending", "Running"), job["conditions"]
        return bool(api.node(job, node)["message"].startswith(f"at {stage}"))

    api.until(job_id, f"{node} at {stage}", there, PATIENCE)


def as_it_was(cluster: Cluster, node: str, *, cordoned: bool = False) -> bool:
    return cluster.cordon_of(node) == (cordoned, {}) and cluster.lease_of(node) is None


@pytest.fixture(autouse=True)
def workers(cluster: Cluster) -> Iterator[list[str]]:
    """All four, Ready before the test, and after it, whatever it did to them."""
    if not cluster.facts["containers"]:
        pytest.skip("the nodes of a cluster that is not ours are not rebooted")
    names = sorted(set(cluster.facts["containers"]) - {"control-plane"})
    wait_for("all nodes to be Ready", lambda: cluster.nodes() == names)
    yield names
    for name in (*names, "control-plane"):
        container = cluster.facts["containers"][name]
        docker("update", "--restart=always", container)
        docker("start", container)
    wait_for("all nodes to be Ready again", lambda: cluster.nodes() == names)
    for name in names:
        cluster.on_host(name, "systemctl", "unmask", "--runtime", "reboot.target", check=False)
        cluster.kubectl("uncordon", name)
        cluster.kubectl("annotate", "node", name, "opsjob.io/left-cordoned-")


@pytest.fixture
def free(cluster: Cluster, workers: list[str]) -> list[str]:
    """Three workers or more that hold no pod which may not be evicted; other tests' pods take a while to end."""

    def found() -> list[str]:
        pods = cluster.items("pods", "-A", "--field-selector", "status.phase!=Succeeded,status.phase!=Failed")
        lonely = {pod["spec"].get("nodeName") for pod in pods if not pod["metadata"].get("ownerReferences")}
        return [name for name in workers if name not in lonely]

    return wait_for("three workers that may be emptied", lambda: found() if len(found()) > 2 else [])


@pytest.fixture
def node(free: list[str]) -> str:
    return free[-1]


@pytest.fixture
def guests(cluster: Cluster, node: str) -> Iterator[Callable[..., None]]:
    """Have pods of a Deployment `web` (which would rather run on the node) and of a DaemonSet `agent` run there."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})

    def invite(*, budget: bool = False) -> None:
        here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
        rather = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": here}]}
        only = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [here]}}
        manifests = [owner("Deployment", "web", rather, replicas=1), owner("DaemonSet", "agent", only)]
        if budget:
            spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
            metadata = {"name": "web-stays", "namespace": NAMESPACE}
            manifests.append(
                {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
            )
        cluster.apply(*manifests)
        wait_for("the guests to run", lambda: len(running(cluster, node)) == 2)

    yield invite
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=120s")


def owner(kind: str, name: str, node_affinity: dict[str, Any], **spec: Any) -> dict[str, Any]:
    pod = {"terminationGracePeriodSeconds": 0, "affinity": {"nodeAffinity": node_affinity}, "containers": [SLEEPER]}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
            **spec,
        },
    }


def running(cluster: Cluster, node: str) -> dict[str, dict[str, Any]]:
    """The guests that run on the node, by their app."""
    on_it = f"spec.nodeName={node},status.phase=Running"
    pods = cluster.items("pods", "-n", NAMESPACE, "-l", "app", "--field-selector", on_it)
    return {pod["metadata"]["labels"]["app"]: pod for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def test_the_documents_example_reboots_a_node_and_proves_it(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None]
) -> None:
    guests()
    agent, web = running(cluster, node)["agent"]["metadata"], running(cluster, node)["web"]["metadata"]
    before = boot_id(cluster, node)
    example = REBOOT | {"inputs": [{"name": "node", "value": node}]}

    job_id = api.create(**example)
    job = api.finished(job_id, PATIENCE)

    assert job["phase"] == "Succeeded"
    assert api.node(job, node)["message"].startswith("rebooted and Ready after")
    entry = report(job)[node]
    assert (entry["oldBootId"], entry["newBootId"]) == (before, boot_id(cluster, node))
    assert before != boot_id(cluster, node)
    assert 0 < entry["secondsToReady"] <= 75
    assert entry["secondsDown"] is None or 0 < entry["secondsDown"] <= 75
    assert entry["evicted"] == [f"{NAMESPACE}/{web['name']}"]
    assert as_it_was(cluster, node)
    assert told(cluster, node, job_id) == ["RebootBegun", "Rebooted"]
    agent_again = wait_for("the DaemonSet's pod to run again", lambda: running(cluster, node).get("agent"))
    assert agent_again
    assert agent_again["metadata"]["uid"] == agent["uid"], "it stayed on its node"
    steps = [step["displayName"] for step in steps_of(cluster, job_id)]
    assert [name.partition("(")[0] for name in steps] == [*STAGES, f"{job_id}.onExit"]


def steps_of(cluster: Cluster, job_id: str) -> list[dict[str, Any]]:
    """The Workflow's pods in Argo's view, in the order in which they started."""
    found = cluster.get("workflow", job_id, "-n", cluster.jobs)["status"]["nodes"].values()
    return sorted((one for one in found if one["type"] == "Pod"), key=lambda one: one["startedAt"])


def test_a_budget_blocks_is_named_and_once_it_is_gone_a_node_that_was_cordoned_reboots_and_stays_so(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None]
) -> None:
    guests(budget=True)
    web = running(cluster, node)["web"]["metadata"]["name"]
    cluster.kubectl("cordon", node)
    before = boot_id(cluster, node)
    job_id = reboot(api, node)

    def said(job: dict[str, Any]) -> bool:
        """Argo learns what a step said a moment after its exit code."""
        return NAMESPACE in api.node(job, node)["message"]

    blocked = api.until(job_id, "it to wait", said)

    message = api.node(blocked, node)["message"]
    assert blocked["phase"] == "Running", message
    assert f"{NAMESPACE}/{web}" in message
    assert "web-stays" in message
    assert message in blocked["conditions"][-1]["message"]
    assert boot_id(cluster, node) == before
    cluster.kubectl("delete", "pdb", "web-stays", "-n", NAMESPACE)
    job = api.finished(job_id, PATIENCE)
    assert job["phase"] == "Succeeded"
    assert boot_id(cluster, node) != before
    assert f"{NAMESPACE}/{web}" in report(job)[node]["evicted"]
    assert as_it_was(cluster, node, cordoned=True)


def test_a_pod_that_nobody_makes_again_is_not_evicted_and_the_node_not_rebooted(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None]
) -> None:
    guests()
    web = running(cluster, node)["web"]["metadata"]["uid"]
    lonely = {"name": "lonely", "namespace": NAMESPACE}
    spec = {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [SLEEPER]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": lonely, "spec": spec})
    before = boot_id(cluster, node)
    job_id = reboot(api, node)

    job = api.finished(job_id)

    assert job["phase"] == "Failed"
    message = api.node(job, node)["message"]
    assert f"{NAMESPACE}/lonely" in message
    assert "reboot.evictUnmanaged" in message
    assert message in job["conditions"][-1]["message"]
    assert running(cluster, node)["web"]["metadata"]["uid"] == web, "nothing was evicted"
    assert boot_id(cluster, node) == before
    assert as_it_was(cluster, node)
    assert told(cluster, node, job_id) == ["RebootFailed"]


def test_a_control_plane_node_is_refused_unless_it_is_named(api: Api, workers: list[str]) -> None:
    def plan(*inputs: tuple[str, str]) -> Any:
        body = {"name": "who", "type": "reboot", "inputs": [{"name": kind, "value": value} for kind, value in inputs]}
        return api.client.post("/api/v1/opsjobs?dryRun=true", json=body).json()["plan"]

    whole = plan(("cluster", "local"))
    assert [planned["name"] for planned in whole["nodes"]][: len(workers)] == workers
    assert "control-plane" in [excluded["name"] for excluded in whole["excluded"]]
    named = plan(("cluster", "local"), ("node", "control-plane"))
    assert [planned["name"] for planned in named["nodes"]] == ["control-plane"]


@pytest.mark.long
def test_a_node_that_is_not_ready_is_rebooted_and_well_again(cluster: Cluster, api: Api, node: str) -> None:
    """No pod gets a network there any more, which a reboot mends."""
    before = boot_id(cluster, node)
    cluster.on_host(node, "mount", "-t", "tmpfs", "none", "/etc/cni/net.d")
    cluster.on_host(node, "systemctl", "restart", "containerd")
    wait_for("the node to be NotReady", lambda: node not in cluster.nodes())

    job = api.finished(reboot(api, node), PATIENCE)

    assert job["phase"] == "Succeeded"
    assert boot_id(cluster, node) != before
    assert node in cluster.nodes()


@pytest.mark.long
def test_three_nodes_reboot_one_after_another(cluster: Cluster, api: Api, free: list[str]) -> None:
    three = free[-3:]
    assert len(three) == 3
    before = {name: boot_id(cluster, name) for name in three}
    job = api.finished(reboot(api, *three), 2 * PATIENCE)
    assert job["phase"] == "Succeeded"
    assert job["progress"] == "3/3"
    spans = sorted((api.node(job, name)["start"], api.node(job, name)["end"]) for name in three)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))
    for name in three:
        assert boot_id(cluster, name) != before[name]
        assert as_it_was(cluster, name)


@pytest.mark.long
def test_a_budget_that_stays_fails_the_node_before_its_reboot(
    cluster: Cluster, api: Api, workers: list[str], node: str, guests: Callable[..., None]
) -> None:
    guests(budget=True)
    web = running(cluster, node)["web"]["metadata"]["name"]
    before = boot_id(cluster, node)
    job_id = reboot(api, node)

    job = api.finished(job_id, PATIENCE)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Failed")
    for part in (node, "was not rebooted", f"{NAMESPACE}/{web}", "web-stays"):
        assert part in job["conditions"][-1]["message"]
    assert boot_id(cluster, node) == before
    assert as_it_was(cluster, node)
    assert told(cluster, node, job_id) == ["RebootFailed"]
    assert workers == cluster.nodes()


@pytest.mark.long
def test_a_node_that_does_not_come_back_stays_cordoned_and_the_next_is_not_begun(
    cluster: Cluster, api: Api, free: list[str]
) -> None:
    gone, following = free[-2:]
    docker("update", "--restart=no", cluster.facts["containers"][gone])
    before = boot_id(cluster, following)
    job_id = reboot(api, gone, following)

    job = api.finished(job_id, PATIENCE)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Failed")
    assert "did not come back" in job["conditions"][-1]["message"]
    assert "stays cordoned" in api.node(job, gone)["message"]
    cordoned, marks = cluster.cordon_of(gone)
    assert cordoned
    assert list(marks) == ["opsjob.io/left-cordoned"]
    assert job_id in marks["opsjob.io/left-cordoned"]
    wait_for("the Lease to be free", lambda: cluster.lease_of(gone) is None)
    assert told(cluster, gone, job_id) == ["RebootBegun", "RebootFailed"]
    assert (api.node(job, following)["phase"], api.node(job, following)["message"]) == ("Skipped", "not begun")
    assert boot_id(cluster, following) == before
    assert as_it_was(cluster, following)
    # Back too late: the janitor has had its rounds, and the cordon is for a person to take off.
    docker("start", cluster.facts["containers"][gone])
    wait_for("the node to be Ready after all", lambda: gone in cluster.nodes())
    time.sleep(12)  # longer than a round of the janitor's, which must not happen to change anything
    assert cluster.cordon_of(gone)[0]


@pytest.mark.long
def test_a_reboot_command_that_does_nothing_is_never_a_success(cluster: Cluster, api: Api, node: str) -> None:
    before = boot_id(cluster, node)
    cluster.on_host(node, "systemctl", "mask", "--runtime", "reboot.target")
    job_id = reboot(api, node)

    job = api.finished(job_id, PATIENCE)

    assert job["phase"] == "Failed"
    assert f"its boot id is still {before}" in api.node(job, node)["message"]
    assert "did nothing" in job["conditions"][-1]["message"]
    assert report(job)[node]["newBootId"] is None
    assert as_it_was(cluster, node)
    assert told(cluster, node, job_id) == ["RebootBegun", "RebootFailed"]


@pytest.mark.long
@pytest.mark.parametrize("stage", STAGES)
def test_a_stop_at_any_stage_gives_the_node_back(cluster: Cluster, api: Api, node: str, stage: str) -> None:
    job_id = reboot(api, node)
    at(api, job_id, node, stage)
    api.stop(job_id)

    job = api.finished(job_id, PATIENCE)

    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Stopped")
    assert api.node(job, node)["phase"] in ("Failed", "Succeeded")
    wait_for("the node as it was", lambda: as_it_was(cluster, node))


@pytest.mark.long
def test_a_timeout_while_a_pod_is_in_the_way_gives_the_node_back(
    cluster: Cluster, api: Api, node: str, guests: Callable[..., None]
) -> None:
    guests(budget=True)
    before = boot_id(cluster, node)
    job = api.finished(reboot(api, node, timeoutSecond=30), PATIENCE)
    assert (job["phase"], job["conditions"][-1]["reason"]) == ("Failed", "Timeout")
    assert boot_id(cluster, node) == before
    assert as_it_was(cluster, node)


@pytest.mark.long
def test_the_service_and_argo_killed_while_the_node_is_down_repeat_nothing(
    cluster: Cluster, api: Api, node: str
) -> None:
    before, started = boot_id(cluster, node), starts(cluster, node)
    job_id = reboot(api, node)
    at(api, job_id, node, "reboot")
    now = ("--grace-period=0", "--force")
    cluster.kubectl("delete", "pod", "-n", "argo", "-l", "app=workflow-controller", *now)
    wait_for("the node to go down", lambda: starts(cluster, node) > started)
    cluster.kubectl("delete", "pod", "-n", cluster.facts["namespace"], "-l", "app.kubernetes.io/name=opsjobs", *now)
    wait_for("the service", lambda: phase(api, job_id))

    job = api.finished(job_id, PATIENCE)

    assert job["phase"] == "Succeeded"
    assert boot_id(cluster, node) != before
    assert starts(cluster, node) == started + 1
    assert as_it_was(cluster, node)


@pytest.mark.long
def test_a_signalling_pod_that_is_lost_signals_once_and_does_not_decide(cluster: Cluster, api: Api, node: str) -> None:
    before, started = boot_id(cluster, node), starts(cluster, node)
    job_id = reboot(api, node)
    at(api, job_id, node, "reboot")
    folder = f"/run/opsjobs/{job_id}"
    wait_for("the signal", lambda: cluster.on_host(node, "ls", folder, check=False).count("reboot"))
    cluster.kubectl(
        "delete", "pod", "-n", cluster.jobs, "-l", f"workflows.argoproj.io/workflow={job_id}",
        "--field-selector", f"spec.nodeName={node}", "--grace-period=0", "--force",
    )  # fmt: skip

    job = api.finished(job_id, PATIENCE)

    assert job["phase"] == "Succeeded"
    assert boot_id(cluster, node) != before
    assert starts(cluster, node) == started + 1


@pytest.mark.long
def test_the_node_of_the_control_plane_and_of_argo_reboots_too(cluster: Cluster, api: Api) -> None:
    before, started = boot_id(cluster, "control-plane"), starts(cluster, "control-plane")
    job_id = reboot(api, "control-plane")

    wait_for("the machine to go down", lambda: starts(cluster, "control-plane") > started, PATIENCE)
    wait_for("the end of the job", lambda: phase(api, job_id) in ("Succeeded", "Failed"), PATIENCE)

    job = api.job(job_id)
    assert job["phase"] == "Succeeded", job["conditions"]
    assert boot_id(cluster, "control-plane") != before
    assert starts(cluster, "control-plane") == started + 1
    assert as_it_was(cluster, "control-plane")


def phase(api: Api, job_id: str) -> str:
    """Empty while the service is away with its node."""
    try:
        answer = api.client.get(f"/api/v1/opsjobs/{job_id}")
    except httpx.TransportError:
        return ""
    return str(answer.json()["phase"]) if answer.status_code == httpx.codes.OK else ""
