"""A Workflow whose steps cannot be read: never a wrong verdict, and the setting to change in a condition."""

from typing import Any

import pytest

from service.domain.job import Job, JobType, NodePhase, Phase
from service.domain.phase import observe
from service.kube.compressed_status import unpacked
from tests.unit.domain.argo import at, job, on, running, workflow

NOW = at(1000)


def offloaded(**fields: Any) -> dict[str, Any]:
    """As Argo shows a Workflow with ALWAYS_OFFLOAD_NODE_STATUS."""
    flow = workflow(**fields)
    flow["status"] |= {"offloadNodeStatusVersion": "fnv:784127654", "nodes": None}
    return unpacked(flow)


def said(observed: Job) -> tuple[Phase, str, str]:
    last = observed.conditions[-1]
    assert "nodeStatusOffLoad" in last.message
    return observed.phase, last.reason, last.message


@pytest.mark.parametrize("job_type", list(JobType))
def test_while_it_runs_a_condition_says_that_it_cannot_be_read(job_type: JobType) -> None:
    first = observe(job("n1", "n2", job_type=job_type), offloaded(phase="Running"), NOW)
    assert said(first)[:2] == (Phase.PENDING, "Waiting")
    assert first.plan == job("n1", "n2").plan
    again = observe(first, offloaded(phase="Running") | {}, NOW)
    assert again.conditions == first.conditions


@pytest.mark.parametrize("job_type", list(JobType))
def test_what_succeeded_is_told_as_that(job_type: JobType) -> None:
    """It was told as RatioNotMet: 0 of 2 nodes succeeded."""
    observed = observe(job("n1", "n2", job_type=job_type), offloaded(phase="Succeeded", end=60), NOW)
    phase, reason, message = said(observed)
    assert (phase, reason) == (Phase.SUCCEEDED, "Succeed")
    assert message.startswith("job finished successfully; what became of its nodes is not known")
    assert [condition.reason for condition in observed.conditions] == ["Created", "Started", "Succeed"]


def test_what_failed_is_told_in_argos_words() -> None:
    flow = offloaded(phase="Failed", end=60, text="child 'roll' failed")
    phase, reason, message = said(observe(job("n1"), flow, NOW))
    assert (phase, reason) == (Phase.FAILED, "Error")
    assert message.startswith("Argo Workflows calls the Workflow Failed: child 'roll' failed; ")


def test_a_stop_is_told_as_a_stop() -> None:
    flow = offloaded(phase="Failed", end=60)
    flow["spec"]["shutdown"] = "Stop"
    assert said(observe(job("n1"), flow, NOW))[:2] == (Phase.FAILED, "Stopped")


def test_once_it_can_be_read_it_is() -> None:
    first = observe(job("n1"), offloaded(phase="Running"), NOW)
    observed = observe(first, workflow(on("n1", "Running", running()), version="200"), NOW)
    assert (observed.phase, observed.plan.nodes[0].phase) == (Phase.RUNNING, NodePhase.RUNNING)
