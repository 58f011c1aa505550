"""While the cluster is frozen no step begins work on a node, and what has begun goes on (contract: freeze)."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.workflow_templates import frozen
from tests.unit.workflow_templates.apiserver import LEASES, WORKFLOWS, ApiServer
from tests.unit.workflow_templates.test_node import Pod
from workflow_templates import held_back, job_ledger, locks, until_unfrozen
from workflow_templates.host import Host
from workflow_templates.job_ledger import JobLedger
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.preflight import lock_all_nodes
from workflow_templates.protocol import exit_codes, labels, node_lock
from workflow_templates.protocol.ledger import State
from workflow_templates.protocol.may_begin import Hold
from workflow_templates.protocol.rollout import Phase, Rollout
from workflow_templates.reboot import lock_node

NODE, LEASE = "/api/v1/nodes/gpu-1", f"{LEASES}/node-gpu-1"


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """And this process' own way with SIGTERM afterwards."""
    monkeypatch.setattr(held_back, "FIRST_SECONDS", 0.01)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def pod(server: ApiServer, cluster: Cluster, host: Host, tmp_path: Path) -> Pod:
    return Pod(server, cluster, host, tmp_path)


def unfreeze(server: ApiServer) -> Callable[[], None]:
    def lift() -> None:
        del server.objects[frozen.PATH]

    return lift


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_no_node_is_locked_and_the_message_says_by_whom_and_why(server: ApiServer, cluster: Cluster) -> None:
    frozen.freeze(server)
    with pytest.raises(locks.HeldError, match=f"^{frozen.SENTENCE}$"):
        locks.take(cluster, "gpu-1", "job-1")
    assert LEASE not in server.objects


def test_nor_is_one_taken_over(server: ApiServer, cluster: Cluster) -> None:
    frozen.freeze(server)
    server.put(LEASE, {"metadata": {"annotations": {labels.JOB_OVER: "job-2"}}, "spec": {"holderIdentity": "job-2"}})
    with pytest.raises(locks.HeldError, match="frozen by anna"):
        locks.take(cluster, "gpu-1", "job-1")
    assert server.objects[LEASE]["spec"]["holderIdentity"] == "job-2"


def test_a_node_that_is_locked_stays_so_and_what_is_no_node_is_locked_as_ever(
    server: ApiServer, cluster: Cluster
) -> None:
    locks.take(cluster, "gpu-1", "job-1")
    frozen.freeze(server)
    locks.take(cluster, "gpu-1", "job-1")
    locks.take(cluster, "tag", "job-1", "export")


def test_one_that_a_person_made_by_hand_freezes_too(server: ApiServer, cluster: Cluster) -> None:
    server.put(frozen.PATH, {})
    found = until_unfrozen.read(cluster)
    assert found is not None
    assert found.sentence == "the cluster is frozen by a person: no reason was given"


def test_an_addons_node_waits_in_its_pod_and_goes_on_when_the_freeze_is_lifted(server: ApiServer, pod: Pod) -> None:
    frozen.freeze(server)
    waiting = frozen.once_it_waits(server, unfreeze(server))
    assert pod.run("echo hello") == 0
    waiting.join()
    assert pod.outcome["result"] == "succeeded"
    assert not pod.leased


def test_one_that_is_stopped_while_it_waits_was_not_begun(server: ApiServer, pod: Pod) -> None:
    frozen.freeze(server)
    waiting = frozen.once_it_waits(server, stop)
    assert pod.run() == exit_codes.WAITING
    waiting.join()
    assert not pod.leased
    assert "frozen by anna: storage" in pod.termination_message


def test_a_node_that_waits_cordoned_for_its_workloads_is_given_back_meanwhile(server: ApiServer, pod: Pod) -> None:
    server.add_pod("training", node="gpu-1", namespace="team")
    assert pod.run(security_upgrade=True) == exit_codes.WAITING
    assert (pod.cordoned, pod.leased) == (True, True)
    seen: list[tuple[bool, bool]] = []
    frozen.freeze(server)

    def look_and_lift() -> None:
        seen.append((pod.cordoned, pod.leased))
        unfreeze(server)()

    waiting = frozen.once_it_waits(server, look_and_lift)
    assert pod.run(security_upgrade=True) == exit_codes.WAITING
    waiting.join()
    assert seen == [(False, False)]
    assert (pod.cordoned, pod.leased) == (True, True)


def test_a_node_whose_scripts_have_begun_goes_on_in_another_pod(server: ApiServer, pod: Pod) -> None:
    work = node_lock.Work("job-1", "boot-1").text()
    server.put(LEASE, {"metadata": {"annotations": {labels.WORK_BEGUN: work}}, "spec": {"holderIdentity": "job-1"}})
    frozen.freeze(server)
    assert pod.run("echo hello") == 0
    assert frozen.looks(server) == 1


def test_a_reboot_waits_before_it_locks_and_lets_go_of_a_node_that_only_waits_for_its_turn(
    server: ApiServer, cluster: Cluster
) -> None:
    server.put(NODE, {"spec": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    locks.take(cluster, "gpu-1", "job-1")
    frozen.freeze(server)
    held: list[bool] = []

    def look_and_lift() -> None:
        held.append(LEASE in server.objects)
        unfreeze(server)()

    waiting = frozen.once_it_waits(server, look_and_lift)
    assert lock_node.begin(cluster, "gpu-1", "job-1") == "node gpu-1 is locked by job job-1"
    waiting.join()
    assert held == [False]


def test_a_preflight_that_was_frozen_while_it_locked_its_nodes_has_none(server: ApiServer, cluster: Cluster) -> None:
    arguments = {"parameters": [{"name": "nodes", "value": json.dumps(["a", "b"])}]}
    server.put(f"{WORKFLOWS}/fleet", {"spec": {"arguments": arguments}})
    server.before_write = lambda: frozen.freeze(server)
    with pytest.raises(locks.HeldError, match="frozen by anna"):
        lock_all_nodes.take_all(cluster, "fleet", 300)
    assert not [path for path in server.objects if "/leases/node-" in path]


def test_a_rollout_begins_no_further_node_and_has_no_place_taken_meanwhile(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_ledger, "_CONFLICT_SECONDS", 0)
    server.put(f"{WORKFLOWS}/job-1", {"metadata": {"annotations": {}}})
    ledger = JobLedger(cluster, "job-1", Rollout(phases=(Phase(("n1", "n2")),), max_unavailable=2, at_once=2))
    server.put("/api/v1/nodes/n2", {"spec": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    server.put("/api/v1/nodes/n1", {"spec": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    assert ledger.try_to_begin("n1") is None
    frozen.freeze(server)
    held = ledger.try_to_begin("n2")
    assert held is not None
    assert (held.why, held.sentence) == (Hold.FROZEN, frozen.SENTENCE)
    assert ledger.state("n2") is State.NOT_BEGUN
    assert ledger.try_to_begin("n1") is None  # it has begun, and goes on in another pod
    unfreeze(server)()
    assert ledger.try_to_begin("n2") is None
