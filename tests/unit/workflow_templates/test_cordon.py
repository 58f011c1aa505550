"""A cordon goes back to exactly what it was, whoever had put it there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workflow_templates.apiserver import ApiServer, merge
from workflow_templates import cordon
from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.protocol import cordon_patches, labels

PATH = "/api/v1/nodes/gpu-1"

nodes = st.fixed_dictionaries(
    {"metadata": st.just({"name": "gpu-1", "annotations": {"a": "b"}}) | st.just({"name": "gpu-1"})},
    optional={"spec": st.just({"unschedulable": True}) | st.just({}) | st.just({"podCIDR": "10.0.0.0/24"})},
)


def unschedulable(node: Object) -> bool:
    return bool(node.get("spec", {}).get("unschedulable"))


def annotations(node: Object) -> dict[str, str]:
    return dict(node["metadata"].get("annotations") or {})


@given(nodes)
def test_cordon_and_back_is_as_before(node: Object) -> None:
    change = cordon_patches.cordoning(node, "job-1")
    assert change is not None
    cordoned = merge(node, change)
    assert unschedulable(cordoned)
    back = cordon_patches.giving_back(cordoned, "job-1")
    assert back is not None
    restored = merge(cordoned, back)
    assert unschedulable(restored) == unschedulable(node)
    assert annotations(restored) == annotations(node)


@given(nodes)
def test_doing_it_twice_is_doing_it_once(node: Object) -> None:
    cordoned = merge(node, cordon_patches.cordoning(node, "job-1"))
    assert cordon_patches.cordoning(cordoned, "job-1") is None
    restored = merge(cordoned, cordon_patches.giving_back(cordoned, "job-1"))
    assert cordon_patches.giving_back(restored, "job-1") is None


@given(nodes)
def test_a_mark_that_was_left_behind_is_inherited(node: Object) -> None:
    """The state before the first job is what the last one puts back."""
    left_behind = merge(node, cordon_patches.cordoning(node, "job-1"))
    taken_over = merge(left_behind, cordon_patches.cordoning(left_behind, "job-2"))
    assert cordon_patches.giving_back(taken_over, "job-1") is None
    restored = merge(taken_over, cordon_patches.giving_back(taken_over, "job-2"))
    assert unschedulable(restored) == unschedulable(node)


@given(nodes)
def test_another_jobs_cordon_is_not_touched(node: Object) -> None:
    cordoned = merge(node, cordon_patches.cordoning(node, "job-2"))
    assert cordon_patches.giving_back(cordoned, "job-1") is None


def test_somebody_who_uncordoned_in_between_is_overruled_while_we_wait(server: ApiServer, cluster: Cluster) -> None:
    server.put(PATH, {"spec": {}})
    assert cordon.cordon(cluster, "gpu-1", "job-1") is True
    server.put(PATH, merge(server.objects[PATH], {"spec": {"unschedulable": None}}))
    assert cordon.cordon(cluster, "gpu-1", "job-1") is True
    assert server.objects[PATH]["spec"] == {"unschedulable": True}
    assert annotations(server.objects[PATH])[labels.CORDONED_BEFORE] == "false"


def test_mark_and_cordon_go_in_one_write(server: ApiServer, cluster: Cluster) -> None:
    server.put(PATH, {"spec": {}})
    cordon.cordon(cluster, "gpu-1", "job-1")
    assert [method for method, _ in server.seen] == ["GET", "PATCH"]


def test_a_person_who_cordons_at_the_same_moment_keeps_their_cordon(server: ApiServer, cluster: Cluster) -> None:
    server.put(PATH, {"spec": {}})
    server.before_write = lambda: server.put(PATH, {"spec": {"unschedulable": True}})
    cordon.cordon(cluster, "gpu-1", "job-1")
    assert cordon.restore(cluster, "gpu-1", "job-1") is True
    assert server.objects[PATH]["spec"] == {"unschedulable": True}


def test_restore_answers_whether_there_was_something(server: ApiServer, cluster: Cluster) -> None:
    server.put(PATH, {"spec": {}})
    assert cordon.restore(cluster, "gpu-1", "job-1") is False
    cordon.cordon(cluster, "gpu-1", "job-1")
    assert cordon.restore(cluster, "gpu-1", "job-1") is True
    assert server.objects[PATH]["spec"] == {}


def test_a_node_that_is_gone_is_named(cluster: Cluster) -> None:
    with pytest.raises(LookupError, match="node gpu-1 is gone"):
        cordon.cordon(cluster, "gpu-1", "job-1")
    assert cordon.restore(cluster, "gpu-1", "job-1") is False


def test_what_is_left_cordoned_is_nobodys_to_put_back(server: ApiServer, cluster: Cluster) -> None:
    server.put(PATH, {"spec": {}})
    cordon.cordon(cluster, "gpu-1", "job-1")
    assert cordon.leave(cluster, "gpu-1", "job-1", "the node went away")
    left = server.objects[PATH]
    assert annotations(left) == {labels.LEFT_CORDONED: "job job-1: the node went away"}
    assert unschedulable(left)
    assert not cordon.restore(cluster, "gpu-1", "job-1")
    assert not cordon.leave(cluster, "gpu-1", "job-1", "again")


def test_a_later_job_keeps_it_cordoned_until_a_person_has_not(server: ApiServer, cluster: Cluster) -> None:
    why = {labels.LEFT_CORDONED: "job job-1: the node went away"}
    server.put(PATH, {"metadata": {"annotations": why}, "spec": {"unschedulable": True}})
    cordon.cordon(cluster, "gpu-1", "job-2")
    cordon.restore(cluster, "gpu-1", "job-2")
    assert (unschedulable(server.objects[PATH]), annotations(server.objects[PATH])) == (True, why)
    server.put(PATH, {"metadata": {"annotations": why}, "spec": {}})
    cordon.cordon(cluster, "gpu-1", "job-3")
    cordon.restore(cluster, "gpu-1", "job-3")
    assert (unschedulable(server.objects[PATH]), annotations(server.objects[PATH])) == (False, {})


def test_another_jobs_cordon_is_not_left(server: ApiServer, cluster: Cluster) -> None:
    server.put(PATH, {"spec": {}})
    cordon.cordon(cluster, "gpu-1", "job-1")
    assert not cordon.leave(cluster, "gpu-1", "job-2", "no")
    assert annotations(server.objects[PATH])[labels.CORDONED_BY] == "job-1"
