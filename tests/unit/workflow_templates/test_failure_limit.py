"""The ratio rule in the node step (contract: availableRatio): once out of reach, no further node is touched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workflow_templates.apiserver import ApiServer
from workflow_templates.addon import failure_limit
from workflow_templates.kubernetes_api import Cluster, Object


def pod(node: str | None, *codes: tuple[str, int]) -> Object:
    statuses = [{"name": name, "state": {"terminated": {"exitCode": code}}} for name, code in codes]
    return {"spec": {"nodeName": node} if node else {}, "status": {"containerStatuses": statuses}}


def pinned(node: str) -> Object:
    """One that was given up before any node took it."""
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    return {"spec": {"affinity": affinity}, "status": {"phase": "Failed"}}


@pytest.mark.parametrize(
    ("pods", "nodes"),
    [
        ([], set()),
        ([pod("n1", ("main", 1))], {"n1"}),
        ([pod("n1", ("wait", 0), ("main", 3))], {"n1"}),
        ([pod("n1", ("main", 75)), pod("n2", ("main", 76))], set()),
        ([pod("n1", ("main", 75)), pod("n1", ("main", 1))], {"n1"}),
        ([pod("n1", ("main", 1)), pod("n1", ("main", 1)), pod("n2", ("main", 143))], {"n1", "n2"}),
        ([pod("n1")], {"n1"}),
        ([pod("n1", ("wait", 75))], {"n1"}),
        ([pod(None, ("main", 1))], set()),
        ([pinned("n1")], {"n1"}),
    ],
)
def test_which_nodes_failed(pods: list[Object], nodes: set[str]) -> None:
    assert failure_limit.failed_nodes(pods) == nodes


@given(planned=st.integers(1, 2000), failed=st.integers(0, 2000), required=st.integers(0, 2000))
def test_out_of_reach_means_that_even_if_all_others_succeed_it_is_too_few(
    planned: int, failed: int, required: int
) -> None:
    best = planned - failed
    assert failure_limit.out_of_reach(planned, failed, required) is (best < required)


def test_only_failed_node_pods_of_this_job_count(server: ApiServer, cluster: Cluster) -> None:
    def failed(name: str, node: str, job: str = "job-1", step: str = "node", phase: str = "Failed") -> None:
        labels = {"workflows.argoproj.io/workflow": job, "opsjob.io/step": step}
        main = {"name": "main", "state": {"terminated": {"exitCode": 1}}}
        status = {"phase": phase, "containerStatuses": [main]}
        server.add_pod(name, node=node, metadata={"labels": labels}, status=status)

    failed("mine", "n1")
    failed("another-jobs", "n2", job="job-2")
    failed("another-step", "n3", step="evaluate")
    failed("still-running", "n4", phase="Running")
    assert failure_limit.failed_so_far(cluster, "job-1") == {"n1"}


def entry(node: str, phase: str, code: str | None = None, **fields: str) -> Object:
    outputs = {"exitCode": code} if code else {}
    inputs = {"parameters": [{"name": "node", "value": node}]}
    return {"type": "Pod", "templateName": "node", "phase": phase, "inputs": inputs, "outputs": outputs, **fields}


@pytest.mark.parametrize(
    ("entries", "nodes"),
    [
        ([], set()),
        ([entry("n1", "Failed", "1"), entry("n2", "Error"), entry("n3", "Failed")], {"n1", "n2", "n3"}),
        ([entry("n1", "Failed", "75"), entry("n2", "Failed", "76")], set()),
        ([entry("n1", "Failed", "75"), entry("n1", "Failed", "1")], {"n1"}),
        ([entry("n1", "Succeeded", "0"), entry("n2", "Running"), entry("n3", "Pending")], set()),
        ([entry("n1", "Failed", "1", type="Retry"), entry("n2", "Failed", "1", templateName="evaluate")], set()),
    ],
)
def test_which_nodes_failed_by_what_argo_wrote_down(entries: list[Object], nodes: set[str]) -> None:
    found = {"status": {"nodes": {str(number): each for number, each in enumerate(entries)}}}
    assert failure_limit.failed_entries(found) == nodes


def test_a_job_whose_workflow_is_gone_has_no_entries(cluster: Cluster) -> None:
    assert failure_limit.failed_before(cluster, "job-1") == set()
