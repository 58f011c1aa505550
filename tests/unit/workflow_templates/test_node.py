"""The node step from its first look to its last word."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import LEASES, PODS, WORKFLOWS, ApiServer
from tests.unit.workflow_templates.test_host import wait_until
from workflow_templates import held_back
from workflow_templates.addon import node
from workflow_templates.host import Host
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import labels

NODE = "/api/v1/nodes/gpu-1"
LEASE = f"{LEASES}/node-gpu-1"
READY: Any = {
    "spec": {},
    "status": {"nodeInfo": {"bootID": "boot-1"}, "conditions": [{"type": "Ready", "status": "True"}]},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settling time, the last word to a file, and this process' own way with SIGTERM afterwards."""
    monkeypatch.setattr(node, "_SETTLE_SECONDS", 0)
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(tmp_path / "last-word"))
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


class Pod:
    """One run of the step, and what was left by it."""

    def __init__(self, server: ApiServer, cluster: Cluster, host: Host, folder: Path) -> None:
        self.server, self.cluster, self.host, self.folder = server, cluster, host, folder
        server.put(NODE, READY)
        self.step = node.Step(
            job="job-1",
            node="gpu-1",
            planned=4,
            required=3,
            security_upgrade=False,
            batch_count=1,
            tolerate_all=False,
            system_namespaces=frozenset({"kube-system"}),
            snapshot=folder / "addons.json",
            rollout=folder / "rollout.json",
            outcome=folder / "outcome.json",
        )

    def run(self, script: str = "true", **changes: Any) -> int:
        self.step.snapshot.write_text(json.dumps({"templates": [{"name": "a", "script": script}]}))
        step = replace(self.step, **changes)
        return node.end(step, lambda outcome: node.work(step, self.cluster, self.host, outcome))

    @property
    def termination_message(self) -> str:
        return (self.folder / "last-word").read_text()

    @property
    def outcome(self) -> Any:
        return json.loads(self.step.outcome.read_text())

    @property
    def cordoned(self) -> bool:
        return bool(self.server.objects[NODE]["spec"].get("unschedulable"))

    @property
    def leased(self) -> bool:
        return LEASE in self.server.objects


@pytest.fixture
def pod(server: ApiServer, cluster: Cluster, host: Host, tmp_path: Path) -> Pod:
    return Pod(server, cluster, host, tmp_path)


def test_a_node_that_is_done(pod: Pod) -> None:
    assert pod.run("echo hello") == 0
    assert pod.outcome["result"] == "succeeded"
    assert pod.outcome["templates"][0]["lastLines"] == "hello"
    assert pod.termination_message == "node gpu-1 is done"
    assert not pod.leased
    assert [path.read_text() for path in pod.host.root.rglob("*-script")] == [""]


def test_a_node_that_fails_says_why_and_is_given_back(pod: Pod) -> None:
    assert pod.run("echo no space left; exit 28", security_upgrade=True) == 1
    assert pod.termination_message == "addon template a ended with exit code 28: no space left"
    assert pod.outcome["result"] == "failed"
    assert not pod.leased
    assert not pod.cordoned


@pytest.mark.parametrize("code", [75, 76])
def test_a_scripts_own_exit_code_is_not_taken_for_ours(pod: Pod, code: int) -> None:
    assert pod.run(f"exit {code}") == 1
    assert pod.outcome["templates"][0]["exitCode"] == code


def test_a_held_node_is_tried_again_untouched(pod: Pod, tmp_path: Path) -> None:
    pod.server.put(f"{WORKFLOWS}/job-2", {})
    pod.server.put(LEASE, {"spec": {"holderIdentity": "job-2"}})
    assert pod.run(f"touch {tmp_path}/ran", security_upgrade=True) == 75
    assert pod.termination_message == "node gpu-1 is locked by job job-2"
    assert not pod.cordoned
    assert not (tmp_path / "ran").exists()
    assert not pod.step.outcome.exists()


@pytest.mark.parametrize(("stopped", "code"), [(False, 0), (True, 75)])
def test_no_node_is_begun_while_the_job_is_paused(
    pod: Pod, monkeypatch: pytest.MonkeyPatch, *, stopped: bool, code: int
) -> None:
    job = f"{WORKFLOWS}/job-1"
    pod.server.put(job, {"metadata": {"annotations": {labels.PAUSED: "anna"}}})
    untouched: list[bool] = []

    def sleep(_: float) -> None:
        untouched.append(not pod.leased and not pod.cordoned)
        if stopped:
            os.kill(os.getpid(), signal.SIGTERM)
        pod.server.put(job, {})

    monkeypatch.setattr(held_back, "time", SimpleNamespace(sleep=sleep))
    assert pod.run(security_upgrade=True) == code
    assert untouched == [True]
    if stopped:
        assert pod.termination_message == "the job is paused by anna"
        assert not pod.leased
        assert not pod.cordoned


def test_a_busy_node_is_tried_again_cordoned_and_leased(pod: Pod, tmp_path: Path) -> None:
    pod.server.add_pod("train-0", node="gpu-1", namespace="team")
    pod.server.add_pod("train-1", node="gpu-1", namespace="team")
    assert pod.run(f"touch {tmp_path}/ran", security_upgrade=True) == 75
    assert pod.termination_message == "node gpu-1 is busy: pod team/train-0 and 1 more runs on it"
    assert pod.cordoned
    assert pod.leased
    assert not (tmp_path / "ran").exists()


def other_waits(server: ApiServer, *nodes: str) -> None:
    """Nodes of the same job that wait cordoned."""
    for name in nodes:
        notes = {labels.WAITS_CORDONED: "true"}
        metadata = {"labels": {labels.JOB_ID: "job-1"}, "annotations": notes}
        server.put(f"{LEASES}/node-{name}", {"metadata": metadata, "spec": {"holderIdentity": "job-1"}})


@pytest.mark.parametrize(
    ("others", "batch_count", "cordoned"), [(0, 1, True), (1, 1, False), (1, 2, True), (3, 3, False)]
)
def test_no_more_nodes_of_a_job_wait_cordoned_than_it_works_on_at_a_time(
    pod: Pod, others: int, batch_count: int, *, cordoned: bool
) -> None:
    other_waits(pod.server, *(f"other-{number}" for number in range(others)))
    pod.server.add_pod("train-0", node="gpu-1", namespace="team")
    for _ in range(2):
        assert pod.run(security_upgrade=True, batch_count=batch_count) == 75
        assert (pod.cordoned, pod.leased) == (cordoned, cordoned), "what waits uncordoned is free for other jobs"
    waits = f"; it is not cordoned, because {batch_count} others of the job wait cordoned"
    assert pod.termination_message == "node gpu-1 is busy: pod team/train-0 runs on it" + ("" if cordoned else waits)
    del pod.server.objects["/api/v1/namespaces/team/pods/train-0"]
    assert pod.run(security_upgrade=True, batch_count=batch_count) == 0, "idle: it is taken though others wait"
    assert (pod.cordoned, pod.leased) == (False, False)


def test_a_node_that_became_busy_while_it_was_cordoned_waits_like_any_other(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_waits(pod.server, "other")
    monkeypatch.setattr(
        node, "time", SimpleNamespace(sleep=lambda _: pod.server.add_pod("p", node="gpu-1", namespace="t"))
    )
    assert pod.run(security_upgrade=True) == 75
    assert (pod.cordoned, pod.leased) == (False, False)


@pytest.mark.parametrize(
    ("found", "tolerate_all", "why"),
    [
        ({"spec": {"unschedulable": True}}, False, "is cordoned (isTolerateAll would take it)"),
        ({"spec": {"unschedulable": True}}, True, ""),
        ({"spec": {"taints": [{"key": "sick", "effect": "NoSchedule"}]}}, False, "is tainted sick:NoSchedule (isTole"),
        ({"spec": {"taints": [{"key": "sick", "effect": "PreferNoSchedule"}]}}, False, ""),
        ({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}, True, "is NotReady"),
    ],
)
def test_a_node_that_is_not_fit_when_it_is_its_turn_is_skipped_with_the_reason(
    pod: Pod, found: Any, why: str, *, tolerate_all: bool
) -> None:
    """It was planned because another job worked on it, and that left it so."""
    pod.server.put(NODE, READY | found)
    assert pod.run(tolerate_all=tolerate_all) == (76 if why else 0)
    assert not pod.leased
    if why:
        assert pod.outcome["result"] == "skipped"
        assert pod.termination_message.startswith(f"node gpu-1 {why}")


def test_a_mark_that_a_job_before_left_behind_makes_no_node_unfit(pod: Pod) -> None:
    marks = {labels.CORDONED_BY: "job-0", labels.CORDONED_BEFORE: "false"}
    pod.server.put(NODE, READY | {"metadata": {"annotations": marks}, "spec": {"unschedulable": True}})
    assert pod.run(security_upgrade=True) == 0
    assert not pod.cordoned


def test_that_it_begins_is_noted_at_its_lock_and_a_lock_that_was_lost_begins_nothing(pod: Pod, tmp_path: Path) -> None:
    noted = []

    def another_job_has_it() -> None:
        noted.append(pod.server.objects[LEASE])
        pod.server.put(LEASE, {"spec": {"holderIdentity": "job-2"}})

    def once_it_is_taken() -> None:
        pod.server.before_write = another_job_has_it

    pod.server.before_write = once_it_is_taken
    assert pod.run(f"touch {tmp_path}/ran") == 75
    assert noted
    assert pod.termination_message == "node gpu-1 is no longer locked by job job-1"
    assert not (tmp_path / "ran").exists()


def test_a_node_that_became_idle_is_done_and_given_back(pod: Pod) -> None:
    pod.server.add_pod("train-0", node="gpu-1", namespace="team")
    assert pod.run(security_upgrade=True) == 75
    del pod.server.objects["/api/v1/namespaces/team/pods/train-0"]
    assert pod.run(security_upgrade=True) == 0
    assert not pod.cordoned
    assert not pod.leased


def test_a_workload_is_not_waited_for_unless_asked(pod: Pod) -> None:
    pod.server.add_pod("train-0", node="gpu-1", namespace="team")
    assert pod.run(security_upgrade=False) == 0


def test_a_cordon_of_a_person_stays(pod: Pod) -> None:
    pod.server.put(NODE, READY | {"spec": {"unschedulable": True}})
    assert pod.run(security_upgrade=True, tolerate_all=True) == 0
    assert pod.cordoned
    assert (
        "annotations" not in pod.server.objects[NODE]["metadata"]
        or not pod.server.objects[NODE]["metadata"]["annotations"]
    )


LABELS = {"workflows.argoproj.io/workflow": "job-1", "opsjob.io/step": "node"}


def fail(server: ApiServer, *others: str) -> None:
    """Other nodes of the job fail, and their pods stay."""
    main = {"name": "main", "state": {"terminated": {"exitCode": 1}}}
    for other in others:
        status = {"phase": "Failed", "containerStatuses": [main]}
        server.add_pod(f"step-{other}", node=other, metadata={"labels": LABELS}, status=status)


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (1, 0), (2, 76), (3, 76)])
def test_nothing_is_begun_once_the_ratio_is_out_of_reach(pod: Pod, tmp_path: Path, failed: int, code: int) -> None:
    fail(pod.server, *(f"other-{number}" for number in range(failed)))
    assert pod.run(f"touch {tmp_path}/ran") == code
    assert (tmp_path / "ran").exists() is (code == 0)
    if code == 76:
        assert pod.outcome["result"] == "skipped"
        assert pod.termination_message == f"{failed} of 4 nodes failed and 3 must succeed"
        assert ("POST", LEASES) not in pod.server.seen


def test_a_failure_counts_whose_pod_is_gone(pod: Pod, tmp_path: Path) -> None:
    """Kubernetes collects pods that ended, and those of nodes that leave; Argo's entry of it stays."""
    inputs = {"parameters": [{"name": "node", "value": "other-1"}]}
    entry = {"type": "Pod", "templateName": "node", "phase": "Failed", "inputs": inputs, "outputs": {"exitCode": "1"}}
    pod.server.put(f"{WORKFLOWS}/job-1", {"status": {"nodes": {"a": entry}}})
    fail(pod.server, "other-1")
    assert pod.run() == 0, "one node, though pod and entry both speak of it"
    fail(pod.server, "other-2")
    del pod.server.objects[f"{PODS}/step-other-1"]
    assert pod.run(f"touch {tmp_path}/ran") == 76
    assert not (tmp_path / "ran").exists()


def test_a_node_that_waited_in_vain_is_given_back_at_once(pod: Pod) -> None:
    pod.server.add_pod("train-0", node="gpu-1", namespace="team")
    assert pod.run(security_upgrade=True) == 75
    assert pod.server.objects[NODE]["spec"]["unschedulable"]
    fail(pod.server, "other-1", "other-2")
    assert pod.run(security_upgrade=True) == 76
    assert not pod.cordoned
    assert not pod.leased


def test_failures_while_the_node_was_made_ready_are_in_time_to_spare_it(pod: Pod, tmp_path: Path) -> None:
    pod.server.before_write = lambda: fail(pod.server, "other-1", "other-2")  # before it takes its Lease
    assert pod.run(f"touch {tmp_path}/ran", security_upgrade=True) == 76
    assert ("POST", LEASES) in pod.server.seen
    assert not (tmp_path / "ran").exists()
    assert not pod.cordoned
    assert not pod.leased


def test_an_api_that_stays_away_before_the_work_is_no_failure(pod: Pod) -> None:
    pod.server.faults = [503] * 10_000
    pod.cluster.patience = 0.05
    assert pod.run() == 75
    assert "did not answer" in pod.termination_message


def test_an_api_that_stays_away_after_the_work_does_not_undo_it(pod: Pod, tmp_path: Path) -> None:
    pod.cluster.patience = 0.05
    done = tmp_path / "done"

    def go_away_once_done() -> None:
        wait_until(done.exists)
        pod.server.faults = [503] * 10_000

    helper = threading.Thread(target=go_away_once_done)
    helper.start()
    assert pod.run(f"touch {done}; sleep 0.5") == 0
    helper.join()
    assert pod.outcome["result"] == "succeeded"
    assert pod.leased, "left to the exit handler"


def test_an_api_that_comes_back_after_the_work_gets_the_node_back(pod: Pod) -> None:
    pod.server.applied_faults = [503] * 3
    assert pod.run(security_upgrade=True) == 0
    assert not pod.leased
    assert not pod.cordoned


def test_a_refused_right_is_a_failure_that_says_so(pod: Pod) -> None:
    pod.server.faults = [403]
    assert pod.run() == 1
    assert "refused GET" in pod.termination_message


def test_a_node_that_is_gone_fails(pod: Pod) -> None:
    del pod.server.objects[NODE]
    assert pod.run() == 1
    assert pod.termination_message == "node gpu-1 is gone from the cluster"
    assert not pod.leased


def test_a_stop_ends_the_script_and_gives_the_node_back(pod: Pod, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    def stop_once_it_runs() -> None:
        wait_until(begun.exists)
        os.kill(os.getpid(), signal.SIGTERM)

    helper = threading.Thread(target=stop_once_it_runs)
    helper.start()
    code = pod.run(f"touch {begun}; sleep 60; touch {tmp_path}/ended", security_upgrade=True)
    helper.join()
    assert code == 143
    assert pod.termination_message == "stopped on node gpu-1 while addon template a ran"
    assert pod.outcome["templates"] == [
        {"name": "a", "result": "failed", "message": "was stopped", "exitCode": None, "lastLines": ""}
    ]
    assert not (tmp_path / "ended").exists()
    assert not pod.leased
    assert not pod.cordoned


def test_its_arguments_are_typed() -> None:
    arguments = ["--job=j", "--node=n", "--planned=4", "--required=3", "--security-upgrade=true"]
    step = node._step([*arguments, "--system-namespaces=kube-system,argo"])
    assert (step.planned, step.required, step.security_upgrade) == (4, 3, True)
    assert step.system_namespaces == {"kube-system", "argo"}
