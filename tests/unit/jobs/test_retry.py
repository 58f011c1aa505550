"""Which nodes a retry takes, and what it runs there (contract: retry)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from service.domain.cluster_objects import AddonTemplate, Node, Workspace
from service.domain.job import Job, JobType, Named, NodePhase, Phase, Plan, PlannedNode
from service.domain.reach import Reach
from service.domain.request_faults import FaultCode, RefusedError, StateError
from service.domain.selection import Facts, Selection, select
from service.jobs import retry
from service.jobs.order import Order
from service.jobs.preparation import Work
from service.jobs.prepare_addon import Addons
from service.jobs.retry import Which
from tests.records_suite.example import a_job

SNAPSHOT = json.dumps({"templates": [{"name": "driver", "script": "old text"}, {"name": "limits", "script": "x"}]})
ENDED = {"n1": NodePhase.SUCCEEDED, "n2": NodePhase.FAILED, "n3": NodePhase.SKIPPED, "n4": NodePhase.SKIPPED}


def ended(**fields: Any) -> Job:
    nodes = tuple(PlannedNode(name, phase) for name, phase in ENDED.items())
    plain: dict[str, Any] = {
        "phase": Phase.FAILED,
        "plan": Plan(nodes),
        "inputs": (
            Named("node.template", "gpu"),
            Named("node.selector", "rack=r1"),
            Named("workload", "training"),
            Named("addon.template", "driver"),
        ),
        "workspace_id": "team",
        "timeout_second": 600,
        "options": {"batchCount": 3, "excludedNodes": ["n9"]},
        "work": {"parameters": {"nodes": "[]"}, "files": {"addons.json": SNAPSHOT}},
    }
    return a_job(**plain | fields)


def nodes_of(order: Order) -> list[str]:
    return order.values("node")


@pytest.mark.parametrize(
    ("which", "nodes"), [(Which.FAILED, ["n2"]), (Which.NOT_BEGUN, ["n3", "n4"]), (Which.BOTH, ["n2", "n3", "n4"])]
)
def test_it_takes_the_nodes_that_are_asked_for_and_never_one_that_succeeded(which: Which, nodes: list[str]) -> None:
    assert nodes_of(retry.order(ended(), which)) == nodes


def test_it_asks_for_what_the_job_before_asked_for() -> None:
    order = retry.order(ended(), Which.FAILED)
    assert order.inputs == (
        Named("node.template", "gpu"),
        Named("addon.template", "driver"),
        Named("workspace", "team"),
        Named("node", "n2"),
    )
    assert (order.name, order.type, order.timeout_second) == ("Upgrade", JobType.ADDON, 600)
    assert order.options == {"batchCount": 3, "excludedNodes": ["n9"]}


def test_the_limits_of_a_rollout_are_those_of_before_in_one_phase() -> None:
    rollout = {"maxUnavailable": 2, "onFailure": "pause", "phases": [{"nodes": 1, "advance": "manual"}, {}]}
    order = retry.order(ended(options={"rollout": rollout}), Which.BOTH)
    assert order.options == {"rollout": {"maxUnavailable": 2, "onFailure": "pause"}}


def test_of_a_job_whose_end_could_not_be_read_no_node_is_forgotten() -> None:
    plan = Plan((PlannedNode("n1", NodePhase.RUNNING), PlannedNode("n2"), PlannedNode("n3", NodePhase.WAITING)))
    assert nodes_of(retry.order(ended(plan=plan), Which.BOTH)) == ["n1", "n2", "n3"]


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RUNNING])
def test_a_job_that_still_runs_is_not_retried(phase: Phase) -> None:
    with pytest.raises(StateError) as refused:
        retry.order(ended(phase=phase), Which.BOTH)
    assert refused.value.code == "JOB_RUNS"


def test_a_job_that_was_deleted_is_not_retried_for_its_texts_go() -> None:
    with pytest.raises(StateError) as refused:
        retry.order(ended(hidden=True), Which.BOTH)
    assert refused.value.code == "JOB_DELETED"


@pytest.mark.parametrize("which", Which)
def test_nothing_to_retry_is_said(which: Which) -> None:
    with pytest.raises(RefusedError, match="nothing is left to retry: none of the 1 planned nodes") as refused:
        retry.order(ended(plan=Plan((PlannedNode("n1", NodePhase.SUCCEEDED),))), which)
    assert [(fault.path, fault.code) for fault in refused.value.faults] == [("which", FaultCode.NOTHING_TO_RETRY)]


@pytest.mark.parametrize("kind", [JobType.PREFLIGHT, JobType.DUMPLOG, JobType.EXPORTIMAGE])
def test_only_addon_and_reboot_jobs_are_retried(kind: JobType) -> None:
    with pytest.raises(RefusedError, match=f"only addon and reboot jobs can be retried; .* is of type {kind}"):
        retry.order(ended(type=kind), Which.BOTH)


class Templates:
    """Custom resources of which one was changed since."""

    def __init__(self, *names: str) -> None:
        self.names = names

    async def addon_template(self, name: str) -> AddonTemplate | None:
        return AddonTemplate(name, "new text") if name in self.names else None

    async def node_template(self, name: str) -> Sequence[str] | None:
        return () if name in self.names else None


async def prepared(order: Order, *names: str) -> Work:
    cluster: Any = Templates(*names)
    plan = Plan((PlannedNode("n2"),))
    return await Addons(cluster=cluster, system_namespaces=[]).prepare(order, Selection(plan=plan))


async def test_what_it_runs_is_the_text_of_then() -> None:
    work = await prepared(retry.order(ended(), Which.FAILED), "driver", "limits", "gpu")
    assert work.files["addons.json"] == SNAPSHOT
    assert work.faults == ()


async def test_what_was_withdrawn_since_is_not_run_again() -> None:
    work = await prepared(retry.order(ended(), Which.FAILED), "driver")
    assert [fault.code for fault in work.faults] == [FaultCode.UNKNOWN_TEMPLATE] * 2
    assert "'limits'" in work.faults[0].message
    assert "'gpu'" in work.faults[1].message


async def test_a_job_whose_texts_are_gone_is_not_retried() -> None:
    order = retry.order(ended(work={"files": {}}), Which.FAILED)
    assert [fault.code for fault in (await prepared(order, "driver")).faults] == [FaultCode.UNKNOWN_TEMPLATE]


@pytest.mark.parametrize("everywhere", [True, False])
def test_its_nodes_are_planned_anew_within_the_workspace_of_before(*, everywhere: bool) -> None:
    workspace = Workspace("team", ("team-ns",))
    facts = Facts(
        cluster_id="prod",
        workspace_label="ws",
        nodes=[
            Node("n2", labels={"ws": "team"}),
            Node("n3", labels={"ws": "another"}),
            Node("n4"),
            Node("n5", ready=False, labels={"ws": "team"}),
        ],
        workspaces={"team": workspace},
    )
    nodes = tuple(PlannedNode(f"n{number}", NodePhase.FAILED) for number in range(2, 7))
    order = retry.order(replace(ended(), plan=Plan(nodes)), Which.BOTH)
    reach = Reach.of([workspace], {"team-ns"}, everywhere=everywhere)
    assert reach.beyond(order.inputs) == ""
    selection = select(order.type, order.inputs, facts, reach=reach, again=True)
    assert selection.faults == ()
    assert (selection.workspace_id, selection.namespace) == ("team", "team-ns")
    left_out = {node.name: node.reason for node in selection.plan.excluded}
    # A workload's pods ran on a node of no workspace, which a right in one workspace does not reach.
    assert selection.plan.names == (("n2", "n4") if everywhere else ("n2",))
    assert left_out["n5"] == "is NotReady"
    assert left_out["n6"] == "is not in the cluster any more"
    assert "n3" in left_out
