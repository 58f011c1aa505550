"""Marks go on nodes that failed, come off nodes that pass, and leave everything else of a node as it was."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workflow_templates.apiserver import ApiServer, merge, serving
from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.preflight.check_results import Node, Status
from workflow_templates.preflight.marks import Marks, change, put
from workflow_templates.protocol.labels import MARKED_BY

#: Who marks.
JOB = "fleet-a1b2c3"
MARKS = Marks(taint="opsjob.io/unhealthy=preflight:NoSchedule", label="opsjob.io/preflight=failed")
TAINT = {"key": "opsjob.io/unhealthy", "value": "preflight", "effect": "NoSchedule"}

FOREIGN = st.sampled_from(
    [
        {"key": "spot", "effect": "NoSchedule"},
        {"key": "opsjob.io/unhealthy", "effect": "NoExecute"},
        {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule", "timeAdded": "2026-01-02T03:04:05Z"},
    ]
)
NODES = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries({"name": st.just("gpu-1")}, optional={"labels": st.just({"zone": "a"})}),
        "spec": st.fixed_dictionaries(
            {}, optional={"taints": st.lists(FOREIGN, unique_by=str), "unschedulable": st.just(True)}
        ),
    }
)


def taints(node: Object) -> list[Object]:
    return list(node["spec"].get("taints") or [])


def labels(node: Object) -> dict[str, str]:
    return dict(node["metadata"].get("labels") or {})


@given(NODES)
def test_marked_and_unmarked_is_as_before(node: Object) -> None:
    marking = change(node, MARKS, JOB, unhealthy=True)
    assert marking is not None
    marked = merge(node, marking)
    assert TAINT in taints(marked)
    assert labels(marked)["opsjob.io/preflight"] == "failed"
    unmarking = change(marked, MARKS, JOB, unhealthy=False)
    assert unmarking is not None
    restored = merge(marked, unmarking)
    assert (taints(restored), labels(restored)) == (taints(node), labels(node))


@given(NODES, st.booleans())
def test_what_is_as_it_should_be_is_left_alone(node: Object, unhealthy: bool) -> None:  # noqa: FBT001 - drawn
    done = change(node, MARKS, JOB, unhealthy=unhealthy)
    assert change(merge(node, done) if done else node, MARKS, JOB, unhealthy=unhealthy) is None


def test_a_mark_of_another_value_becomes_ours() -> None:
    node = {"metadata": {"name": "n"}, "spec": {"taints": [{**TAINT, "value": "old", "timeAdded": "t"}]}}
    marking = change(node, Marks(taint=MARKS.taint), JOB, unhealthy=True)
    assert marking == {"metadata": {"annotations": {MARKED_BY: JOB}}, "spec": {"taints": [TAINT]}}


def test_a_taint_and_a_label_may_be_without_a_value() -> None:
    node: Object = {"metadata": {"name": "n"}, "spec": {}}
    marking = change(node, Marks(taint="bad:NoExecute", label="bad"), JOB, unhealthy=True)
    assert marking == {
        "metadata": {"labels": {"bad": ""}, "annotations": {MARKED_BY: JOB}},
        "spec": {"taints": [{"key": "bad", "effect": "NoExecute"}]},
    }
    unmarking = change(merge(node, marking), Marks(taint="bad:NoExecute", label="bad"), JOB, unhealthy=False)
    assert unmarking == {
        "metadata": {"labels": {"bad": None}, "annotations": {MARKED_BY: None}},
        "spec": {"taints": None},
    }


@pytest.fixture
def server() -> Iterator[tuple[ApiServer, Cluster]]:
    server = ApiServer()
    for name in ("a", "b", "c"):
        server.put(f"/api/v1/nodes/{name}", {"metadata": {}, "spec": {}})
    with serving(server) as cluster:
        yield server, cluster


def checked(**statuses: Status) -> list[Node]:
    return [Node(name, status) for name, status in statuses.items()]


def marked(server: ApiServer) -> set[str]:
    return {name[-1] for name, node in server.objects.items() if TAINT in taints(node)}


def test_only_the_unhealthy_are_marked_and_nobody_else_is_looked_at(server: tuple[ApiServer, Cluster]) -> None:
    kubernetes, cluster = server
    assert put(cluster, checked(a="fail", b="pass", gone="fail"), MARKS, JOB) == "marked: a"
    assert marked(kubernetes) == {"a"}
    assert [path for method, path in kubernetes.seen if method == "PATCH"] == ["/api/v1/nodes/a"]


@pytest.mark.parametrize("status", ["error", "skip"])
def test_of_a_node_that_was_not_tested_the_mark_stays(server: tuple[ApiServer, Cluster], status: Status) -> None:
    kubernetes, cluster = server
    put(cluster, checked(a="fail"), MARKS, JOB)
    assert put(cluster, checked(a=status), MARKS, JOB) == ""
    assert marked(kubernetes) == {"a"}
    assert put(cluster, checked(a="pass"), MARKS, JOB) == "no longer marked: a"
    assert marked(kubernetes) == set()


def test_a_taint_that_somebody_adds_meanwhile_is_kept(server: tuple[ApiServer, Cluster]) -> None:
    kubernetes, cluster = server
    other = {"key": "other", "effect": "NoSchedule"}
    kubernetes.before_write = lambda: kubernetes.put("/api/v1/nodes/a", {"metadata": {}, "spec": {"taints": [other]}})
    assert put(cluster, checked(a="fail"), MARKS, JOB) == "marked: a"
    assert taints(kubernetes.objects["/api/v1/nodes/a"]) == [other, TAINT]


def test_without_marks_nothing_is_asked(server: tuple[ApiServer, Cluster]) -> None:
    kubernetes, cluster = server
    assert put(cluster, checked(a="fail"), Marks(), JOB) == ""
    assert kubernetes.seen == []


def test_a_node_that_refuses_does_not_keep_the_others_from_it(server: tuple[ApiServer, Cluster]) -> None:
    kubernetes, cluster = server
    # The list first, then the first node's patch.
    kubernetes.faults = [None, 403]
    assert put(cluster, checked(a="fail", b="fail"), MARKS, JOB) == "marked: b; could not be changed: a"
