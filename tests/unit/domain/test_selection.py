from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.cluster_objects import Node, Taint, Workload, Workspace
from service.domain.job import JobType, Named, NodePhase
from service.domain.reach import Reach
from service.domain.selection import Facts, Selection, select

LABEL = "opsjob.io/workspace"
EVERYWHERE = Reach(everywhere=True)
IN_A = Reach(workspaces={"team-a": "ns-a"})
A = {LABEL: "team-a"}
B = {LABEL: "team-b"}

FACTS = Facts(
    cluster_id="prod",
    workspace_label=LABEL,
    nodes=[
        Node("n3", labels=B),
        Node("n1", labels=A),
        Node("n2", labels=A),
        Node("n4"),
        Node("cp", control_plane=True, taints=(Taint("node-role.kubernetes.io/control-plane", "NoSchedule"),)),
        Node("down", ready=False, taints=(Taint("node.kubernetes.io/unreachable", "NoExecute"),)),
        Node("closed", cordoned=True),
        Node("gpu", taints=(Taint("dedicated", "NoSchedule", "gpu"),)),
        Node("soft", taints=(Taint("spot", "PreferNoSchedule"),)),
    ],
    workspaces={"team-a": Workspace("team-a", ("ns-a",)), "team-b": Workspace("team-b", ("ns-b",))},
    workloads={
        "train": [Workload("train", "ns-a", "team-a", frozenset({"n1", "n4"}))],
        "serve": [Workload("serve", "ns-b", "team-b", frozenset({"n3"}))],
        "idle": [Workload("idle", "ns-a", "team-a", frozenset())],
        "twin": [
            Workload("twin", "ns-a", "team-a", frozenset({"n2"})),
            Workload("twin", "ns-b", "team-b", frozenset({"n3"})),
        ],
        "abroad": [Workload("abroad", "ns-a", "team-a", frozenset({"n1", "n3", "n4"}))],
        "ghostly": [Workload("ghostly", "ns-a", "team-a", frozenset({"n1", "gone"}))],
        "nothing": [],
    },
)
EVERY = sorted(node.name for node in FACTS.nodes)


def inputs(*pairs: str) -> list[Named]:
    """Inputs from `kind=value` texts."""
    return [Named(*pair.split("=", 1)) for pair in pairs]


def chosen(
    *pairs: str, job_type: JobType = JobType.ADDON, excluded: Iterable[str] = (), tolerate: bool = False
) -> Selection:
    return select(job_type, inputs(*pairs), FACTS, reach=EVERYWHERE, excluded_nodes=excluded, tolerate_all=tolerate)


def reasons(selection: Selection) -> dict[str, str]:
    return {node.name: node.reason for node in selection.plan.excluded}


def messages(selection: Selection) -> dict[str, str]:
    return {fault.path: fault.message for fault in selection.faults}


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        (["node=n1"], "n1"),
        (["node=n3", "node=n1"], "n1 n3"),
        (["node=n1", "node=n1"], "n1"),
        (["workspace=team-a"], "n1 n2"),
        (["workspace=team-b", "workspace=team-a"], "n1 n2 n3"),
        (["workload=train"], "n1 n4"),
        (["workload=train", "workload=serve"], "n1 n3 n4"),
        (["cluster=prod"], "n1 n2 n3 n4 soft"),
        (["workspace=team-a", "node=n2", "node=n3"], "n2"),
        (["workspace=team-a", "workload=train"], "n1"),
        (["cluster=prod", "workspace=team-b"], "n3"),
        (["workload=twin", "workspace=team-b"], "n3"),
        (["addon.template=x", "node=n4", "node.template=y"], "n4"),
        ([f"node.selector={LABEL}"], "n1 n2 n3"),
        ([f"node.selector={LABEL}=team-a", f"node.selector={LABEL} in (team-b)"], "n1 n2 n3"),
        (["workspace=team-a", f"node.selector={LABEL}", "node=n2", "node=n3"], "n2"),
        (["workload=train", f"node.selector={LABEL}"], "n1"),
        (["cluster=prod", f"node.selector={LABEL}!=team-a"], "n3 n4 soft"),
    ],
)
def test_one_kind_adds_up_and_different_kinds_narrow(selectors: list[str], expected: str) -> None:
    selection = chosen(*selectors)
    assert not selection.faults
    assert selection.plan.names == tuple(expected.split())


def test_the_plan_lists_who_of_the_narrowest_kind_is_left_out_and_no_bystander() -> None:
    selection = chosen("node=n1", "node=n3", "workspace=team-a", "cluster=prod")
    assert selection.plan.names == ("n1",)
    assert reasons(selection) == {"n3": "is not in workspace 'team-a'"}


def test_unfit_nodes_are_left_out_with_their_reason() -> None:
    assert reasons(chosen("cluster=prod")) == {
        "closed": "is cordoned (isTolerateAll would take it)",
        "cp": "is tainted node-role.kubernetes.io/control-plane:NoSchedule (isTolerateAll would take it)",
        "down": "is NotReady",
        "gpu": "is tainted dedicated=gpu:NoSchedule (isTolerateAll would take it)",
    }


@pytest.mark.parametrize("job_type", [JobType.ADDON, JobType.PREFLIGHT])
def test_nodes_that_failed_a_preflight_are_kept_from_all_but_the_next(job_type: JobType) -> None:
    unhealthy, other = Taint("bad", "NoSchedule", "gpu"), Taint("bad", "NoExecute", "gpu")
    nodes = [Node("both", taints=(unhealthy, other)), Node("failed", taints=(unhealthy,)), Node("well")]
    facts = Facts(cluster_id="prod", workspace_label=LABEL, unhealthy_taint="bad=gpu:NoSchedule", nodes=nodes)
    selection = select(job_type, inputs("cluster=prod"), facts, reach=EVERYWHERE)
    assert selection.plan.names == (("failed", "well") if job_type is JobType.PREFLIGHT else ("well",))
    assert "is tainted bad=gpu:" in reasons(selection)["both"]


def test_every_reason_of_a_node_is_named() -> None:
    sick = Node("sick", cordoned=True, taints=(Taint("a", "NoExecute"), Taint("b", "NoSchedule", "c")))
    facts = Facts(cluster_id="prod", workspace_label=LABEL, nodes=[sick, Node("well")])
    selection = select(JobType.PREFLIGHT, inputs("cluster=prod"), facts, reach=EVERYWHERE)
    assert reasons(selection) == {
        "sick": "is cordoned (isTolerateAll would take it); is tainted a:NoExecute, b=c:NoSchedule "
        "(isTolerateAll would take it)"
    }


@pytest.mark.parametrize("job_type", [JobType.ADDON, JobType.PREFLIGHT])
def test_tolerate_all_takes_tainted_and_cordoned_nodes_but_not_those_that_are_not_ready(job_type: JobType) -> None:
    selection = chosen("cluster=prod", job_type=job_type, tolerate=True)
    assert selection.plan.names == tuple(name for name in EVERY if name != "down")
    assert reasons(selection) == {"down": "is NotReady"}


def test_a_node_named_outright_is_still_left_out_when_unfit() -> None:
    assert reasons(chosen("node=closed", "node=n1")) == {"closed": "is cordoned (isTolerateAll would take it)"}


def test_reboot_takes_sick_nodes_and_spares_the_control_plane() -> None:
    selection = chosen("cluster=prod", job_type=JobType.REBOOT)
    assert selection.plan.names == tuple(name for name in EVERY if name != "cp")
    assert reasons(selection) == {"cp": "is a control-plane node, which is rebooted only when named with a node input"}


def test_reboot_takes_a_control_plane_node_that_is_named() -> None:
    assert chosen("cluster=prod", "node=cp", job_type=JobType.REBOOT).plan.names == ("cp",)


def test_excluded_nodes_are_always_honoured_and_may_be_unknown() -> None:
    selection = chosen("node=n1", "node=n2", excluded=["n1", "never-heard-of"])
    assert selection.plan.names == ("n2",)
    assert reasons(selection) == {"n1": "is in excludedNodes"}
    assert not selection.faults


def test_a_pods_node_that_has_left_the_cluster_is_left_out() -> None:
    selection = chosen("workload=ghostly")
    assert selection.plan.names == ("n1",)
    assert reasons(selection) == {"gone": "is not in the cluster any more"}


def test_no_node_left_says_why_for_every_node() -> None:
    selection = chosen("node=closed", "node=down", "node=n1", excluded=["n1"])
    assert messages(selection) == {
        "inputs": "no node is left to work on: node closed is cordoned (isTolerateAll would take it); "
        "node down is NotReady; node n1 is in excludedNodes"
    }


def test_an_empty_intersection_says_which_selector_left_a_node_out() -> None:
    assert messages(chosen("node=n1", "workspace=team-b")) == {
        "inputs": "no node is left to work on: node n1 is not in workspace 'team-b'"
    }


def test_a_workload_without_pods_leaves_no_node() -> None:
    assert messages(chosen("workload=idle")) == {
        "inputs": "no node is selected: workload 'idle' has no pod on any node"
    }


def test_a_workspace_without_nodes_leaves_no_node() -> None:
    facts = Facts(cluster_id="c", workspace_label=LABEL, workspaces={"w": Workspace("w", ("w",))}, nodes=[Node("n")])
    selection = select(JobType.ADDON, inputs("workspace=w"), facts, reach=EVERYWHERE)
    assert messages(selection) == {"inputs": "no node is selected: there is none that the selectors mean"}


def test_everything_unknown_is_named_at_once_where_it_stands() -> None:
    selection = chosen("node=n1", "node=n9", "workspace=team-z", "workload=nothing", "workload=lost", "cluster=test")
    assert messages(selection) == {
        "inputs[1].value": "there is no node 'n9' in this cluster",
        "inputs[2].value": "there is no workspace 'team-z': no namespace is labelled opsjob.io/workspace=team-z",
        "inputs[3].value": "there is no workload 'nothing' in the namespace of any workspace",
        "inputs[4].value": "there is no workload 'lost' in the namespace of any workspace",
        "inputs[5].value": "this installation serves the cluster 'prod', not 'test'",
    }
    assert selection.plan.nodes == ()


def test_a_workload_of_several_workspaces_must_be_told_apart() -> None:
    assert messages(chosen("workload=twin")) == {
        "inputs[0].value": "workload 'twin' is in several workspaces: name one with a workspace input"
    }


def test_a_workload_outside_the_named_workspace_is_refused() -> None:
    assert messages(chosen("workspace=team-b", "workload=train")) == {
        "inputs[1].value": "there is no workload 'train' in workspace 'team-b'"
    }


@pytest.mark.parametrize("job_type", [JobType.ADDON, JobType.PREFLIGHT, JobType.REBOOT])
@pytest.mark.parametrize("named", [(), ("node=n1", "node=n3", "node=n4"), ("cluster=prod",)])
def test_a_workloads_job_touches_no_node_of_another_workspace(job_type: JobType, named: tuple[str, ...]) -> None:
    """Its rights were asked in the workload's workspace alone."""
    selection = chosen("workload=abroad", *named, job_type=job_type)
    assert selection.workspace_id == "team-a"
    assert selection.plan.names == ("n1", "n4")
    assert reasons(selection) == {"n3": "belongs to another workspace than 'team-a'"}


@pytest.mark.parametrize("job_type", [JobType.ADDON, JobType.PREFLIGHT, JobType.REBOOT])
@pytest.mark.parametrize("unlabelled", [True, False])
def test_a_right_in_a_workspace_reaches_its_nodes_alone(job_type: JobType, *, unlabelled: bool) -> None:
    """However they were selected: a pod can be put on any node by its nodeName."""
    own, none, control_plane = Node("own", labels=A), Node("none"), Node("cp", control_plane=True)
    labelled = Node("cp-own", labels=A, control_plane=True)
    nodes = [own, none, control_plane, labelled, Node("other", labels=B)]
    everywhere = Workload("w", "ns-a", "team-a", frozenset(node.name for node in nodes))
    facts = replace(FACTS, nodes=nodes, workloads={"w": [everywhere]}, unlabelled_nodes=unlabelled)
    named = ["workload=w", *(f"node={node.name}" for node in nodes)]
    for selectors in (["workload=w"], named, ["workload=w", "cluster=prod"]):
        selection = select(job_type, inputs(*selectors), facts, reach=IN_A, tolerate_all=True)
        assert selection.plan.names == (("none", "own") if unlabelled else ("own",))
        why = reasons(selection)
        for name in ("cp", "cp-own"):
            assert (
                "is a control-plane node, which takes the right to create such jobs in the whole cluster" in why[name]
            )
        assert why["other"].count("right in that workspace reaches no other node") == 1
    selection = select(job_type, inputs("workspace=team-a"), facts, reach=IN_A, tolerate_all=True)
    assert selection.plan.names == ("own",)


def test_the_right_in_the_whole_cluster_reaches_the_control_plane_of_a_workspace() -> None:
    labelled = replace(FACTS, nodes=[Node("cp", labels=A, control_plane=True)])
    selection = select(JobType.ADDON, inputs("workspace=team-a"), labelled, reach=EVERYWHERE)
    assert selection.plan.names == ("cp",)


def test_of_nodes_nothing_is_said_where_nobody_knows_whose_right_counts() -> None:
    named = inputs("workload=twin", "node=n9")
    assert set(messages(select(JobType.ADDON, named, FACTS, reach=EVERYWHERE))) == {
        "inputs[0].value",
        "inputs[1].value",
    }
    selection = select(
        JobType.ADDON, named, FACTS, reach=replace(IN_A, workspaces={"team-a": "ns-a", "team-b": "ns-b"})
    )
    assert set(messages(selection)) == {"inputs[0].value"}
    assert not selection.placed


def test_a_workspace_that_several_namespaces_claim_takes_no_new_job() -> None:
    facts = replace(FACTS, workspaces={"team-a": Workspace("team-a", ("ns-a", "ns-z"))})
    for reach in (EVERYWHERE, Reach(contested=frozenset({"team-a"}))):
        selection = select(JobType.ADDON, inputs("workspace=team-a"), facts, reach=reach)
        assert "several namespaces are labelled opsjob.io/workspace=team-a" in messages(selection)["inputs[0].value"]
        assert not selection.placed


@pytest.mark.parametrize("job_type", [JobType.ADDON, JobType.PREFLIGHT, JobType.REBOOT])
@pytest.mark.parametrize("selector", ["cluster=prod", "node=rebooting"])
def test_a_node_that_another_job_works_on_is_planned_and_waits_for_it(job_type: JobType, selector: str) -> None:
    """However it looks meanwhile: a rollout that is submitted while nodes reboot must not skip them."""
    facts = replace(FACTS, nodes=[Node("rebooting", ready=False, worked_on_by="reboot-abc123"), Node("free")])
    selection = select(job_type, inputs(selector), facts, reach=EVERYWHERE)
    assert not selection.faults
    (waiting,) = [node for node in selection.plan.nodes if node.name == "rebooting"]
    assert waiting.phase is NodePhase.WAITING
    assert waiting.message == "waits for job reboot-abc123, which works on it"


def test_what_a_person_did_to_a_node_counts_beside_another_jobs_work() -> None:
    nodes = [
        Node("closed", cordoned=True, worked_on_by="x"),
        Node("tainted", taints=(Taint("a", "NoSchedule"),), worked_on_by="x"),
    ]
    selection = select(JobType.ADDON, inputs("cluster=prod"), replace(FACTS, nodes=nodes), reach=EVERYWHERE)
    assert set(reasons(selection)) == {"closed", "tainted"}


def test_a_selector_says_nothing_of_nodes_beyond_the_workspace_that_it_narrows() -> None:
    selection = select(JobType.ADDON, inputs("workspace=team-a", f"node.selector={LABEL}=team-b"), FACTS, reach=IN_A)
    assert set(reasons(selection)) == {"n1", "n2"}
    assert reasons(selection)["n1"] == f"does not match '{LABEL}=team-b'"


def test_a_selector_does_not_name_a_control_plane_node_outright() -> None:
    selection = chosen("node.selector=!gpu", job_type=JobType.REBOOT)
    assert "is rebooted only when named with a node input" in reasons(selection)["cp"]


@pytest.mark.parametrize("job_type", [JobType.DUMPLOG, JobType.EXPORTIMAGE])
def test_a_selector_is_not_ignored_where_no_node_is_worked_on(job_type: JobType) -> None:
    assert (
        "works on no nodes"
        in messages(chosen("workload=idle", "node.selector=gpu", job_type=job_type))["inputs[1].value"]
    )


def test_a_job_on_workloads_of_several_workspaces_has_rights_in_the_whole_cluster() -> None:
    assert chosen("workload=abroad", "workload=serve").plan.names == ("n1", "n3", "n4")


def test_where_a_job_would_work_is_known_unless_a_selector_names_nothing() -> None:
    assert not chosen("workload=lost").placed
    assert not chosen("workload=twin").placed
    assert chosen("workload=train").placed
    assert chosen("node=closed").placed, "no node is left, and rights can be asked all the same"


@pytest.mark.parametrize(
    ("selectors", "workspace_id"),
    [
        (["workspace=team-a"], "team-a"),
        (["workload=train"], "team-a"),
        (["workload=serve", "node=n3"], "team-b"),
        (["workload=train", "workspace=team-a", "workspace=team-b"], "team-a"),
        (["node=n1"], ""),
        (["cluster=prod"], ""),
        (["workspace=team-a", "workspace=team-b"], ""),
        (["workload=train", "workload=serve"], ""),
    ],
)
def test_a_job_belongs_to_the_one_workspace_it_keeps_within(selectors: list[str], workspace_id: str) -> None:
    assert chosen(*selectors).workspace_id == workspace_id


@pytest.mark.parametrize("job_type", [JobType.DUMPLOG, JobType.EXPORTIMAGE])
def test_jobs_on_a_workload_plan_no_nodes_and_need_no_pod(job_type: JobType) -> None:
    selection = chosen("workload=idle", job_type=job_type)
    assert selection.faults == ()
    assert selection.plan.nodes == ()
    assert [workload.namespace for workload in selection.workloads] == ["ns-a"]
    assert selection.workspace_id == "team-a"


SELECTORS = st.lists(
    st.sampled_from(
        [f"node={name}" for name in EVERY]
        + ["workspace=team-a", "workspace=team-b", "workload=train", "workload=serve", "cluster=prod"]
        + [f"node.selector={LABEL}", f"node.selector={LABEL}=team-b"]
    ),
    min_size=1,
)
TYPES = st.sampled_from([JobType.ADDON, JobType.PREFLIGHT, JobType.REBOOT])


@given(selectors=SELECTORS, job_type=TYPES, excluded=st.sets(st.sampled_from(EVERY)), tolerate=st.booleans())
def test_no_job_touches_a_node_that_a_selector_leaves_out(
    *, selectors: list[str], job_type: JobType, excluded: set[str], tolerate: bool
) -> None:
    selection = chosen(*selectors, job_type=job_type, excluded=excluded, tolerate=tolerate)
    planned, left_out = selection.plan.names, reasons(selection)
    assert not set(planned) & excluded
    assert list(planned) == sorted(set(planned))
    assert not set(planned) & set(left_out)
    assert all(left_out.values())
    assert bool(selection.faults) == (not planned)
    named = {selector.removeprefix("node=") for selector in selectors if selector.startswith("node=")}
    if named:
        assert set(planned) <= named
        if not selection.faults or "inputs" in messages(selection):
            assert named == set(planned) | set(left_out)
    spaces = {s.removeprefix("workspace=") for s in selectors if s.startswith("workspace=")}
    if spaces:
        labels = {node.name: node.labels.get(LABEL) for node in FACTS.nodes}
        assert {labels[name] for name in planned} <= spaces


@given(selectors=SELECTORS, job_type=TYPES, tolerate=st.booleans())
def test_the_order_of_the_inputs_does_not_matter(*, selectors: list[str], job_type: JobType, tolerate: bool) -> None:
    forward = chosen(*selectors, job_type=job_type, tolerate=tolerate)
    backward = chosen(*reversed(selectors), job_type=job_type, tolerate=tolerate)
    assert forward.plan == backward.plan
    assert forward.workspace_id == backward.workspace_id
