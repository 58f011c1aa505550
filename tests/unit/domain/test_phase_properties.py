"""What holds for any Workflow, in any order it is seen."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.domain.job import Job, NodePhase, Phase
from service.domain.phase import observe, without_workflow
from tests.unit.domain.argo import T0, Pod, at, busy, cut_off, failed, job, on, pending, running, succeeded, workflow

NODES = ("n1", "n2", "n3")
NOW = at(500)
LAST = {
    "Running": st.sampled_from([pending(), pending("Unschedulable: x"), running(), busy(), succeeded()]),
    "Succeeded": st.just(succeeded()),
    "Failed": st.sampled_from(
        [
            failed(3, "broken"),
            failed(76),
            busy(),
            cut_off("workflow shutdown with strategy:  Stop", host=True),
            cut_off("Step exceeded its deadline", host=False),
            cut_off("pod deleted", host=True),
        ]
    ),
}


@st.composite
def flows(draw: st.DrawFn, phases: tuple[str, ...] = ("", "Pending", "Running", "Succeeded", "Failed", "Error")) -> Any:
    """Any Workflow over the three nodes, sensible or not."""
    items = []
    for index, node in enumerate(NODES):
        phase = draw(st.sampled_from(["", *LAST]))
        if phase:
            pods: list[Pod] = [busy(start=6)] * draw(st.integers(0, 2)) + [draw(LAST[phase])]
            items.append(on(node, phase, *pods, index=index))
    spec: dict[str, Any] = draw(
        st.sampled_from([{}, {"shutdown": "Stop"}, {"activeDeadlineSeconds": 20}, {"suspend": True}])
    )
    return workflow(
        *items,
        phase=draw(st.sampled_from(phases)),
        text=draw(st.sampled_from(["", "child 'x' failed", "invalid spec: y"])),
        spec=spec,
        version=str(draw(st.integers(1, 50))),
    )


RECORDS = st.builds(
    lambda ratio, stop: job(*NODES, options={"availableRatio": ratio}, stop_requested=stop),
    st.sampled_from([1.0, 0.5, 0.01]),
    st.sampled_from([None, at(15), at(90)]),
)


def in_turn(record: Job, seen: list[Any]) -> list[Job]:
    jobs = [record]
    for flow in seen:
        jobs.append(observe(jobs[-1], flow, NOW))
    return jobs


@given(RECORDS, st.lists(flows(), max_size=6))
def test_phases_only_go_forward_and_final_is_final(record: Job, seen: list[Any]) -> None:
    rank = {Phase.PENDING: 0, Phase.RUNNING: 1, Phase.SUCCEEDED: 2, Phase.FAILED: 2}
    jobs = in_turn(record, seen)
    for before, after in pairwise(jobs):
        assert rank[before.phase] <= rank[after.phase]
        if before.phase.final:
            assert after is before


@given(RECORDS, st.lists(flows(), max_size=6))
def test_the_history_is_in_order_and_ends_with_the_phase(record: Job, seen: list[Any]) -> None:
    for one in in_turn(record, seen):
        times = [condition.at for condition in one.conditions]
        assert times == sorted(times)
        assert one.conditions[0].reason == "Created"
        assert one.conditions[-1].type is one.phase
        assert [c.reason for c in one.conditions].count("Started") == (one.started is not None)
        assert all(c.message for c in one.conditions)


@given(RECORDS, flows())
def test_seeing_the_same_again_is_seeing_nothing(record: Job, flow: Any) -> None:
    once = observe(record, flow, NOW)
    assert observe(once, flow, NOW) is once


@given(RECORDS, flows(("Succeeded", "Failed", "Error")))
def test_a_completed_workflow_ends_the_job_and_every_node(record: Job, flow: Any) -> None:
    ended = observe(record, flow, NOW)
    assert ended.phase.final
    assert ended.ended is not None
    assert ended.ended >= T0
    assert all(node.phase.final for node in ended.plan.nodes)
    counts = {output.name: output.value for output in ended.outputs}
    assert sum(int(counts[name]) for name in ("succeeded", "failed", "skipped")) == len(NODES)


@given(RECORDS, flows(("Succeeded", "Failed", "Error")))
def test_an_addon_succeeds_if_and_only_if_the_ratio_is_met_and_nobody_cut_it_short(record: Job, flow: Any) -> None:
    ended = observe(record, flow, NOW)
    succeeded_nodes = sum(node.phase is NodePhase.SUCCEEDED for node in ended.plan.nodes)
    met = succeeded_nodes >= record.options["availableRatio"] * len(NODES)
    stopped = "shutdown" in flow["spec"] or record.stop_requested == at(15)
    reason = ended.conditions[-1].reason
    assert (reason == "Stopped") == stopped
    if reason != "Timeout" and not stopped:
        assert (ended.phase is Phase.SUCCEEDED) == met
    if reason == "Timeout":
        assert flow["spec"].get("activeDeadlineSeconds")


@given(RECORDS, st.lists(flows(), max_size=4))
def test_a_job_whose_workflow_went_is_over(record: Job, seen: list[Any]) -> None:
    gone = without_workflow(in_turn(record, seen)[-1], NOW)
    assert gone.phase.final
    assert gone.workflow_gone
    assert gone.deletion_time == NOW
    assert all(node.phase.final for node in gone.plan.nodes)
    assert without_workflow(gone, NOW) is gone
