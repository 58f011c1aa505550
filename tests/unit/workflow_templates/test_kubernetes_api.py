"""The steps' client: it outlasts an API that is away, and loses no race."""

import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.workflow_templates.apiserver import HANG_UP, LEASES, PODS, ApiServer
from workflow_templates.kubernetes_api import Cluster, ClusterError, ConflictError, EvictionError, UnavailableError

NODE = "/api/v1/nodes/gpu-1"


@pytest.mark.parametrize("faults", [[429], [500], [502], [503], [504], [HANG_UP], [503, HANG_UP, 429, 500]])
def test_an_api_that_is_away_for_a_while_is_waited_for(server: ApiServer, cluster: Cluster, faults: list[int]) -> None:
    server.put(NODE, {"spec": {}})
    server.faults = list(faults)
    node = cluster.get(NODE)
    assert node is not None
    assert node["metadata"]["name"] == "gpu-1"
    assert server.faults == []


def test_patience_ends_with_a_sentence_that_says_what_was_asked_and_why(server: ApiServer, cluster: Cluster) -> None:
    server.faults = [503] * 1000
    cluster.patience = 0.05
    with pytest.raises(UnavailableError, match=r"did not answer GET /api/v1/nodes/gpu-1: 503 not now"):
        cluster.get(NODE)


def test_what_is_not_there_is_none(cluster: Cluster) -> None:
    assert cluster.get(NODE) is None


@pytest.mark.parametrize("faults", [[403], [401], [HANG_UP, 403, 403, 503, 401]])
def test_an_api_that_has_not_read_the_rights_yet_is_waited_for(
    server: ApiServer, cluster: Cluster, faults: list[int]
) -> None:
    """It has just started again, perhaps with the node that this very job reboots."""
    server.put(NODE, {"spec": {}})
    server.faults = list(faults)
    cluster.refusal_patience = 60.0
    assert cluster.get(NODE) is not None
    assert server.faults == []


def test_a_right_that_is_not_there_is_told_long_before_patience_with_an_absent_api_ends(
    server: ApiServer, cluster: Cluster
) -> None:
    server.faults = [403] * 1000
    cluster.patience, cluster.refusal_patience = 1000, 0.05
    with pytest.raises(ClusterError, match="refused GET /api/v1/nodes/gpu-1: 403 not now") as refusal:
        cluster.get(NODE)
    assert not isinstance(refusal.value, UnavailableError), "it is no wait: the step ends with the sentence"
    assert 990 < len(server.faults) < 999


def test_a_refusal_that_names_its_cause_is_not_repeated(server: ApiServer, cluster: Cluster) -> None:
    server.add_pod("web", node="gpu-1")
    causes = [{"reason": "NamespaceTerminating", "message": "namespace team is being terminated"}]
    server.refused_evictions["web"] = 403, {"message": "not in here", "details": {"causes": causes}}
    cluster.refusal_patience = 60.0
    with pytest.raises(ClusterError, match="403 not in here"):
        cluster.evict(server.objects[f"{PODS}/web"])
    assert len(server.seen) == 1


def test_the_time_is_the_apis_own(server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    server.put(NODE, {"spec": {}})
    monkeypatch.setattr(BaseHTTPRequestHandler, "date_time_string", lambda *_: "Sat, 10 Jan 2026 08:00:00 GMT")
    cluster.get(NODE)
    assert cluster.now() == datetime(2026, 1, 10, 8, tzinfo=UTC)


def test_every_page_of_a_list_is_read(server: ApiServer, cluster: Cluster) -> None:
    for number in range(1203):
        server.add_pod(f"pod-{number:04}", node="gpu-1")
    names = [pod["metadata"]["name"] for pod in cluster.list(PODS)]
    assert names == [f"pod-{number:04}" for number in range(1203)]


def test_selectors_reach_the_api(server: ApiServer, cluster: Cluster) -> None:
    server.add_pod("here", node="gpu-1", metadata={"labels": {"app": "a"}})
    server.add_pod("there", node="gpu-2", metadata={"labels": {"app": "a"}})
    server.add_pod("other", node="gpu-1", metadata={"labels": {"app": "b"}})
    found = cluster.list(PODS, labelSelector="app=a", fieldSelector="spec.nodeName=gpu-1")
    assert [pod["metadata"]["name"] for pod in found] == ["here"]


def test_a_patch_of_an_older_version_is_a_conflict(server: ApiServer, cluster: Cluster) -> None:
    server.put(NODE, {"spec": {}})
    read = cluster.get(NODE)
    assert read is not None
    server.put(NODE, {"spec": {"unschedulable": True}})
    with pytest.raises(ConflictError):
        cluster.patch(read, NODE, {"spec": {"unschedulable": None}})
    assert server.objects[NODE]["spec"] == {"unschedulable": True}


def test_a_delete_takes_only_what_was_read(server: ApiServer, cluster: Cluster) -> None:
    path = f"{LEASES}/node-gpu-1"
    server.put(path, {"spec": {"holderIdentity": "job-1"}})
    read = cluster.get(path)
    assert read is not None
    server.put(path, {"spec": {"holderIdentity": "job-2"}})
    with pytest.raises(ConflictError):
        cluster.delete(read, path)
    assert server.objects[path]["spec"]["holderIdentity"] == "job-2"


def test_deleting_what_is_gone_is_done(cluster: Cluster) -> None:
    gone = {"metadata": {"uid": "u", "resourceVersion": "1"}}
    cluster.delete(gone, f"{LEASES}/node-gpu-1")


def test_the_token_is_read_anew_each_time(cluster: Cluster, tmp_path: Path) -> None:
    """The kubelet renews it, and an old one is refused after an hour."""
    token = tmp_path / "token"
    token.write_text("first\n")
    cluster._token = token
    assert cluster._signed({})["headers"]["Authorization"] == "Bearer first"
    token.write_text("second\n")
    assert cluster._signed({})["headers"]["Authorization"] == "Bearer second"


def test_an_eviction_that_a_budget_forbids_is_not_repeated_but_said(server: ApiServer, cluster: Cluster) -> None:
    server.add_pod("web", node="gpu-1")
    causes = [{"reason": "DisruptionBudget", "message": "The disruption budget web needs 1"}, {"reason": "Other"}]
    server.refused_evictions["web"] = 429, {"message": "Cannot evict pod", "details": {"causes": causes}}
    with pytest.raises(EvictionError, match=r"^The disruption budget web needs 1$"):
        cluster.evict(server.objects[f"{PODS}/web"])
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [401, 403, 422, 429, 500, 503])
@pytest.mark.parametrize("details", [None, {}, {"causes": []}, {"causes": [{"reason": "Other", "message": "busy"}]}])
def test_whatever_else_forbids_an_eviction_is_said_at_once(
    server: ApiServer, cluster: Cluster, status: int, details: object
) -> None:
    """A webhook says no with any of these; there are other pods to evict meanwhile."""
    server.add_pod("web", node="gpu-1")
    words = 'admission webhook "guard" denied the request: training runs'
    server.refused_evictions["web"] = status, {"message": words, "details": details}
    with pytest.raises(EvictionError, match=f"^{status} {words}$"):
        cluster.evict(server.objects[f"{PODS}/web"])
    assert len(server.seen) == 1


def test_an_eviction_waits_for_an_api_that_is_away(server: ApiServer, cluster: Cluster) -> None:
    server.add_pod("web", node="gpu-1")
    pod, server.faults = server.objects[f"{PODS}/web"], [HANG_UP, HANG_UP]
    cluster.evict(pod)
    assert f"{PODS}/web" not in server.objects


def test_the_eviction_of_a_pod_of_the_same_name_that_came_since_is_a_conflict(
    server: ApiServer, cluster: Cluster
) -> None:
    server.add_pod("web-0", node="gpu-1")
    seen = server.objects[f"{PODS}/web-0"]
    server.add_pod("web-0", node="gpu-2")
    with pytest.raises(ConflictError):
        cluster.evict(seen)
    assert f"{PODS}/web-0" in server.objects


def test_the_time_is_that_of_the_api(server: ApiServer, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for where nothing was asked before, and it goes on between two answers."""
    monkeypatch.setattr("workflow_templates.kubernetes_api.datetime", None)  # this host's own clock is not looked at
    first = cluster.now()
    assert server.seen == [("GET", "/version")]
    before = time.monotonic()
    monkeypatch.setattr("workflow_templates.kubernetes_api.time", SimpleNamespace(monotonic=lambda: before + 100))
    assert 90 <= (cluster.now() - first).total_seconds() <= 110
