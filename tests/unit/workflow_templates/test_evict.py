"""Emptying a node: who must go, who stays, and what is said about whoever is in the way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflow_templates.apiserver import ApiServer
from workflow_templates import cordon, locks
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import exit_codes, labels
from workflow_templates.reboot import evict, stage
from workflow_templates.reboot.evict import Eviction

NODE = "/api/v1/nodes/gpu-1"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
OWNED = {"ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}]}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, server: ApiServer) -> None:
    monkeypatch.setattr(evict, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(evict, "_BLOCKED_SECONDS", 0.05)
    server.put(NODE, {"spec": {"unschedulable": True}, "status": READY})


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evict, "_LEAVING_SECONDS", 0.2)


def eviction(**changes: Any) -> Eviction:
    defaults: dict[str, Any] = {
        "job": "job-1",
        "node": "gpu-1",
        "since": datetime.now(UTC),
        "seconds": 60,
        "unmanaged": False,
        "empty_dir": True,
        "kept": frozenset({"argo"}),
    }
    return Eviction(**(defaults | changes))


def pod(server: ApiServer, name: str, namespace: str = "team", spec: Any = None, **metadata: Any) -> str:
    server.add_pod(name, node="gpu-1", namespace=namespace, metadata={**OWNED, **metadata})
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"
    server.objects[path]["spec"].update(spec or {})
    return path


def budget(sentence: str) -> tuple[int, Any]:
    """The apiserver's answer where a PodDisruptionBudget forbids an eviction."""
    causes = [{"reason": "DisruptionBudget", "message": sentence}]
    return 429, {"message": "Cannot evict pod", "details": {"causes": causes}}


def test_what_a_controller_makes_again_goes_by_the_eviction_api(server: ApiServer, cluster: Cluster) -> None:
    paths = [pod(server, "web-1"), pod(server, "web-2")]
    emptying = eviction()
    assert evict.empty(cluster, emptying) == "node gpu-1 is empty"
    assert not set(paths) & set(server.objects)
    assert emptying.evicted == ["team/web-1", "team/web-2"]
    assert {path for method, path in server.seen if method != "GET"} == {f"{path}/eviction" for path in paths}


def test_who_stays(server: ApiServer, cluster: Cluster) -> None:
    stays = [
        pod(server, "agent", ownerReferences=[{"kind": "DaemonSet", "name": "agent", "controller": True}]),
        pod(server, "static", annotations={"kubernetes.io/config.mirror": "x"}),
        pod(server, "controller", namespace="argo"),
        pod(server, "me", namespace=cluster.namespace, labels={"workflows.argoproj.io/workflow": "job-1"}),
    ]
    server.add_pod("done", node="gpu-1", namespace="team", status={"phase": "Succeeded"})
    server.add_pod("elsewhere", node="gpu-2", namespace="team", metadata=OWNED)
    emptying = eviction()
    evict.empty(cluster, emptying)
    assert emptying.evicted == []
    assert set(stays) <= set(server.objects)


def test_a_step_of_another_job_goes(server: ApiServer, cluster: Cluster) -> None:
    owner = {"kind": "Workflow", "name": "job-2", "controller": True}
    labels = {"workflows.argoproj.io/workflow": "job-2"}
    pod(server, "other", namespace=cluster.namespace, labels=labels, ownerReferences=[owner])
    emptying = eviction()
    evict.empty(cluster, emptying)
    assert emptying.evicted == [f"{cluster.namespace}/other"]


def test_a_budget_is_respected_and_named_and_the_others_go(server: ApiServer, cluster: Cluster) -> None:
    kept, gone = pod(server, "web-1"), pod(server, "web-2")
    server.refused_evictions["web-1"] = budget("The disruption budget web needs 1 healthy pods and has 1 currently")
    with pytest.raises(stage.WaitError, match=r"pod team/web-1 cannot be evicted: The disruption budget web needs 1"):
        evict.empty(cluster, eviction())
    assert kept in server.objects
    assert gone not in server.objects
    server.refused_evictions.clear()
    assert evict.empty(cluster, eviction()) == "node gpu-1 is empty"


def test_a_budget_that_stays_too_long_fails_the_node_and_says_so(server: ApiServer, cluster: Cluster) -> None:
    pod(server, "web-1")
    server.refused_evictions["web-1"] = budget("The disruption budget web needs 1 healthy pods")
    late = eviction(since=datetime.now(UTC) - timedelta(seconds=61))
    with pytest.raises(stage.FailedError, match=r"node gpu-1 was not rebooted: after 60 s pod team/web-1 cannot be"):
        evict.empty(cluster, late)


def test_two_budgets_over_one_pod_are_named_too(server: ApiServer, cluster: Cluster) -> None:
    """The apiserver answers 500 to that, for as long as it is so."""
    pod(server, "web-1")
    server.refused_evictions["web-1"] = 500, {"message": "This pod has more than one PodDisruptionBudget"}
    with pytest.raises(
        stage.WaitError, match=r"pod team/web-1 cannot be evicted: .* more than one PodDisruptionBudget"
    ):
        evict.empty(cluster, eviction())


@pytest.mark.usefixtures("impatient")
def test_a_pod_that_takes_its_time_is_waited_for_and_named(server: ApiServer, cluster: Cluster) -> None:
    path = pod(server, "slow", deletionTimestamp="2026-01-01T00:00:00Z")
    with pytest.raises(stage.WaitError, match="pod team/slow has not ended yet"):
        evict.empty(cluster, eviction())
    assert path in server.objects
    with pytest.raises(stage.FailedError, match="after 60 s pod team/slow has not ended yet"):
        evict.empty(cluster, eviction(since=datetime.now(UTC) - timedelta(seconds=61)))


@pytest.mark.parametrize("conditions", [[{"type": "Ready", "status": "Unknown"}], []])
def test_on_a_node_whose_kubelet_is_silent_nobody_is_waited_for(
    server: ApiServer, cluster: Cluster, conditions: Any
) -> None:
    server.put(NODE, {"spec": {}, "status": {"conditions": conditions}})
    pod(server, "slow", deletionTimestamp="2999-01-01T00:00:00Z")
    assert evict.empty(cluster, eviction()) == "node gpu-1 is empty"


@pytest.mark.usefixtures("impatient")
def test_a_kubelet_that_speaks_and_is_not_ready_gets_the_pods_grace_and_little_more(
    server: ApiServer, cluster: Cluster
) -> None:
    server.put(NODE, {"spec": {}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}})
    pod(server, "slow", deletionTimestamp=(datetime.now(UTC) + timedelta(seconds=30)).isoformat())
    with pytest.raises(stage.WaitError, match="pod team/slow has not ended yet"):
        evict.empty(cluster, eviction())
    pod(server, "slow", deletionTimestamp=(datetime.now(UTC) - timedelta(seconds=60)).isoformat())
    assert evict.empty(cluster, eviction()) == "node gpu-1 is empty"


@pytest.mark.parametrize(
    ("policy", "protected", "why"),
    [
        ({}, {"ownerReferences": []}, r"pod team/one has no controller .*reboot\.evictUnmanaged"),
        (
            {"empty_dir": False},
            {"spec": {"volumes": [{"name": "scratch", "emptyDir": {}}]}},
            r"pod team/one would lose its emptyDir \(reboot\.deleteEmptyDirData\)",
        ),
    ],
)
def test_what_the_chart_protects_is_named_before_anything_is_evicted(
    server: ApiServer, cluster: Cluster, policy: Any, protected: Any, why: str
) -> None:
    both = [pod(server, "a-first"), pod(server, "one", **protected)]
    with pytest.raises(stage.FailedError, match=why):
        evict.empty(cluster, eviction(**policy))
    assert set(both) <= set(server.objects)
    allowed = eviction(unmanaged=True, empty_dir=True)
    evict.empty(cluster, allowed)
    assert allowed.evicted == ["team/a-first", "team/one"]


def test_a_long_list_is_cut_short(server: ApiServer, cluster: Cluster) -> None:
    for number in range(5):
        pod(server, f"lonely-{number}", ownerReferences=[])
    with pytest.raises(stage.FailedError, match=r"lonely-2 .*; and 2 more$"):
        evict.empty(cluster, eviction())


def test_what_was_evicted_is_written_however_the_attempt_ends(
    server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pod(server, "web-1")
    pod(server, "web-2")
    server.refused_evictions["web-2"] = budget("The disruption budget web needs 1")
    output, termination_message = tmp_path / "evicted.json", tmp_path / "last-word"
    monkeypatch.setenv("OPSJOB_TERMINATION_LOG", str(termination_message))
    monkeypatch.setattr(Cluster, "in_pod", lambda: cluster)
    given = ["--job=job-1", "--node=gpu-1", "--seconds=60", "--unmanaged=false"]
    given += ["--empty-dir=true", "--kept=argo,opsjobs", f"--output={output}"]
    locks.take(cluster, "gpu-1", "job-1")
    cordon.cordon(cluster, "gpu-1", "job-1")
    cordon.note(cluster, "gpu-1", "job-1")
    monkeypatch.setattr("sys.argv", ["evict", *given])
    assert evict.main() == exit_codes.WAITING
    assert output.read_text() == '["team/web-1"]'
    assert "disruption budget web" in termination_message.read_text()
    failed = "/api/v1/namespaces/default/events/job-1.rebootfailed.gpu-1"
    assert failed not in server.objects
    long_ago = replace(cordon.note(cluster, "gpu-1", "job-1"), at=datetime(2026, 1, 1, tzinfo=UTC))
    locks.note(cluster, "gpu-1", "job-1", {labels.CORDON_NOTE: long_ago.text()})
    assert evict.main() == exit_codes.FAILED
    assert "was not rebooted" in server.objects[failed]["message"]
