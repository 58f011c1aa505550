"""From selectors to a plan: which nodes a job works on, and why it leaves the others out (contract: Requests)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from service.domain import label_selector
from service.domain.cluster_objects import Node, Workload, Workspace
from service.domain.job import ExcludedNode, JobType, Named, NodePhase, Plan, PlannedNode
from service.domain.job_types.registry import traits_of
from service.domain.reach import WORKLOAD, WORKSPACE, Reach
from service.domain.request_faults import Fault, FaultCode, shown

#: Kinds of selector, the narrowest first.
NODE, SELECTOR, CLUSTER = "node", "node.selector", "cluster"
KINDS = (NODE, WORKLOAD, WORKSPACE, SELECTOR, CLUSTER)
#: What no selector says: the nodes that a job which keeps within one workspace may touch.
_OWN = "own"
#: What no selector says either: a right in a workspace is none to the machines that run the cluster.
_NO_CONTROL_PLANE = "no control plane"

#: What a fault is called whose input names something that is not there.
_UNKNOWN = {
    WORKSPACE: FaultCode.UNKNOWN_WORKSPACE,
    WORKLOAD: FaultCode.UNKNOWN_WORKLOAD,
    CLUSTER: FaultCode.UNKNOWN_CLUSTER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the cluster says about what the selectors name.

    `workspaces` and `workloads` hold what was found for each name that was asked for; what is absent does not exist.
    """

    cluster_id: str
    workspace_label: str
    #: key=value:Effect of the taint that a preflight job puts on nodes and takes off them; empty: it puts none.
    unhealthy_taint: str = ""
    #: Whether a right in a workspace also reaches nodes that are labelled for none.
    unlabelled_nodes: bool = False
    nodes: Sequence[Node] = ()
    workspaces: Mapping[str, Workspace] = field(default_factory=dict)
    workloads: Mapping[str, Sequence[Workload]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the selectors come to. With any fault the plan is not to be run.

    `workspace_id` is the one workspace that the job keeps within; empty: none, or more than one. `placed`: it is known
    where the job would work, so that rights can be asked there, also where no node is left.
    """

    plan: Plan = field(default_factory=Plan)
    #: The planned nodes, as they are now.
    nodes: tuple[Node, ...] = ()
    workspace_id: str = ""
    #: Of that workspace, in which rights are asked; empty: they are asked for the whole cluster.
    namespace: str = ""
    workloads: tuple[Workload, ...] = ()
    faults: tuple[Fault, ...] = ()
    placed: bool = True


class _Scope(NamedTuple):
    """The nodes that one kind of selector allows, and how to say that a node is not among them."""

    nodes: frozenset[str]
    outside: str


def select(  # noqa: PLR0913 - all that a plan depends on
    job_type: JobType,
    inputs: Sequence[Named],
    facts: Facts,
    *,
    reach: Reach,
    excluded_nodes: Iterable[str] = (),
    tolerate_all: bool = False,
    again: bool = False,
) -> Selection:
    """Resolve the selectors among the inputs once, against the cluster as it is now.

    `again`: the nodes were planned once before. One that is gone since is left out, and is no fault; and one that is
    labelled for no workspace was, and is, open to a job that keeps within one.

    The same kind of selector adds up, different kinds narrow each other. All faults are found at once, but nothing is
    revealed of nodes where it is not known in which workspace the caller's right would have to be.
    """
    workloads, misplaced = _workloads(inputs, facts)
    misplaced = [*_unknown(job_type, inputs, facts, reach), *misplaced]
    if misplaced and not reach.everywhere:
        return Selection(faults=tuple(misplaced), placed=False)
    faults = [*misplaced, *([] if again else _unknown_nodes(inputs, facts))]
    if misplaced:
        return Selection(faults=tuple(faults), placed=False)
    workspace_id = _workspace_of(inputs, workloads)
    place = Selection(
        workspace_id=workspace_id,
        namespace=_namespace(workspace_id, workloads, facts),
        workloads=workloads,
        faults=tuple(faults),
    )
    if faults or not traits_of(job_type).works_on_nodes:
        return place
    scopes = _scopes(inputs, facts, workloads, workspace_id, again=again) | _within(reach, facts, workspace_id)
    nodes = _without(facts.unhealthy_taint, facts.nodes) if traits_of(job_type).takes_unhealthy else facts.nodes
    plan = _plan(job_type, scopes, nodes, frozenset(excluded_nodes), tolerate_all=tolerate_all)
    if not plan.nodes:
        faults.append(Fault("inputs", _nothing_left(plan, workloads), FaultCode.NO_NODE_LEFT))
    planned = frozenset(plan.names)
    return replace(place, plan=plan, nodes=tuple(node for node in nodes if node.name in planned), faults=tuple(faults))


def _unknown_nodes(inputs: Sequence[Named], facts: Facts) -> list[Fault]:
    known = {node.name for node in facts.nodes}
    return [
        Fault(f"inputs[{index}].value", f"there is no node {shown(item.value)} in this cluster", FaultCode.UNKNOWN_NODE)
        for index, item in enumerate(inputs)
        if item.name == NODE and item.value not in known
    ]


def _unknown(job_type: JobType, inputs: Sequence[Named], facts: Facts, reach: Reach) -> list[Fault]:
    """Everything else named that does not exist, or of which it is not known where it is."""
    faults = []
    for index, (kind, value) in enumerate((item.name, item.value) for item in inputs):
        message = ""
        if kind == WORKSPACE and value not in facts.workspaces:
            message = f"there is no workspace {shown(value)}: no namespace is labelled {facts.workspace_label}={value}"
        elif kind == WORKSPACE and len(facts.workspaces[value].namespaces) > 1:
            message = (
                f"several namespaces are labelled {facts.workspace_label}={value}: no new job is accepted in workspace "
                f"{value!r} until one of them is"
            )
        elif kind == WORKLOAD and not facts.workloads.get(value):
            message = f"there is no workload {shown(value)} in the namespace of any workspace{reach.but}"
        elif kind == SELECTOR and not traits_of(job_type).works_on_nodes:
            message = f"a {job_type} job works on no nodes: name those whose pods are meant with node inputs"
        elif kind == CLUSTER and value != facts.cluster_id:
            message = f"this installation serves the cluster {facts.cluster_id!r}, not {shown(value)}"
        if message:
            faults.append(Fault(f"inputs[{index}].value", message, _UNKNOWN.get(kind, FaultCode.INVALID_VALUE)))
    return faults


def _workloads(inputs: Sequence[Named], facts: Facts) -> tuple[tuple[Workload, ...], list[Fault]]:
    """The workloads meant: those in the named workspaces, where any are named; else each must be in one only."""
    wanted = _values(inputs, WORKSPACE)
    meant: list[Workload] = []
    faults = []
    for index, item in enumerate(inputs):
        found = facts.workloads.get(item.value, ()) if item.name == WORKLOAD else ()
        inside = [workload for workload in found if not wanted or workload.workspace_id in wanted]
        if found and not inside:
            message = f"there is no workload {shown(item.value)} in workspace {_listed(sorted(wanted))}"
            faults.append(Fault(f"inputs[{index}].value", message, FaultCode.UNKNOWN_WORKLOAD))
        elif len({workload.workspace_id for workload in inside}) > 1:
            # Not in which: what the caller may see is not known yet.
            message = f"workload {shown(item.value)} is in several workspaces: name one with a workspace input"
            faults.append(Fault(f"inputs[{index}].value", message, FaultCode.AMBIGUOUS_WORKLOAD))
        meant += inside
    return tuple(dict.fromkeys(meant)), faults


def _workspace_of(inputs: Sequence[Named], workloads: Sequence[Workload]) -> str:
    """A job that spans workspaces belongs to none: rights are then asked for the whole cluster."""
    homes = {workload.workspace_id for workload in workloads} or _values(inputs, WORKSPACE)
    return next(iter(homes)) if len(homes) == 1 else ""


def _namespace(workspace_id: str, workloads: Sequence[Workload], facts: Facts) -> str:
    if not workspace_id:
        return ""
    return workloads[0].namespace if workloads else facts.workspaces[workspace_id].namespaces[0]


def _scopes(
    inputs: Sequence[Named], facts: Facts, workloads: Sequence[Workload], workspace_id: str, *, again: bool
) -> dict[str, _Scope]:
    """The scope of each kind of selector that was given, the narrowest kind first."""
    named = {kind: _values(inputs, kind) for kind in KINDS}
    scopes = {}
    if named[NODE]:
        scopes[NODE] = _Scope(frozenset(named[NODE]), "is not named by a node input")
    if named[WORKLOAD]:
        running = frozenset[str]().union(*(workload.nodes for workload in workloads))
        scopes[WORKLOAD] = _Scope(running, f"runs no pod of workload {_listed(sorted(named[WORKLOAD]))}")
    if named[WORKSPACE]:
        homes = {*named[WORKSPACE], None} if again else named[WORKSPACE]
        labelled = frozenset(n.name for n in facts.nodes if n.labels.get(facts.workspace_label) in homes)
        scopes[WORKSPACE] = _Scope(labelled, f"is not in workspace {_listed(sorted(named[WORKSPACE]))}")
    if named[SELECTOR]:
        selectors = [label_selector.parse(text) for text in sorted(named[SELECTOR])]
        matching = frozenset(n.name for n in facts.nodes if any(each.matches(n.labels) for each in selectors))
        scopes[SELECTOR] = _Scope(matching, f"does not match {_listed(sorted(named[SELECTOR]))}")
    if named[CLUSTER]:
        scopes[CLUSTER] = _Scope(frozenset(node.name for node in facts.nodes), "is not in the cluster")
    if named[WORKLOAD] and workspace_id:
        # A pod may run on another workspace's node; a right in its own is none to that node.
        open_to_it = frozenset(
            n.name for n in facts.nodes if n.labels.get(facts.workspace_label) in (None, workspace_id)
        )
        scopes[_OWN] = _Scope(open_to_it, f"belongs to another workspace than {workspace_id!r}")
    return scopes


def _within(reach: Reach, facts: Facts, workspace_id: str) -> dict[str, _Scope]:
    """What a right in one workspace reaches: its nodes, and not the control plane, whatever its labels."""
    if reach.everywhere:
        return {}
    open_to_it = (workspace_id, None) if facts.unlabelled_nodes else (workspace_id,)
    own = frozenset(n.name for n in facts.nodes if n.labels.get(facts.workspace_label) in open_to_it)
    outside = f"is not labelled {facts.workspace_label}={workspace_id}: a right in that workspace reaches no other node"
    workers = frozenset(node.name for node in facts.nodes if not node.control_plane)
    why = "is a control-plane node, which takes the right to create such jobs in the whole cluster"
    return {_OWN: _Scope(own, outside), _NO_CONTROL_PLANE: _Scope(workers, why)}


def _plan(
    job_type: JobType,
    scopes: Mapping[str, _Scope],
    nodes: Sequence[Node],
    excluded_nodes: frozenset[str],
    *,
    tolerate_all: bool,
) -> Plan:
    """Go through the narrowest scope in order of names: no reader is helped by a list of all other nodes."""
    known = {node.name: node for node in nodes}
    included, excluded = [], []
    for name in sorted(next(iter(scopes.values())).nodes if scopes else ()):
        reasons = [scope.outside for scope in scopes.values() if name not in scope.nodes]
        if name in excluded_nodes:
            reasons.insert(0, "is in excludedNodes")
        elif name not in known:
            # A workload's pod can outlive its node by a little.
            reasons = ["is not in the cluster any more"]
        elif not reasons:
            reasons = traits_of(job_type).unfit(known[name], named=NODE in scopes, tolerate_all=tolerate_all)
        if reasons:
            excluded.append(ExcludedNode(name, "; ".join(reasons)))
        else:
            included.append(_planned(known[name]))
    return Plan(tuple(included), tuple(excluded))


def _planned(node: Node) -> PlannedNode:
    if not node.worked_on_by:
        return PlannedNode(node.name)
    return PlannedNode(node.name, NodePhase.WAITING, f"waits for job {node.worked_on_by}, which works on it")


def _without(unhealthy: str, nodes: Sequence[Node]) -> Sequence[Node]:
    """The nodes without the mark of an earlier job that they failed."""
    return [replace(node, taints=tuple(taint for taint in node.taints if str(taint) != unhealthy)) for node in nodes]


def _nothing_left(plan: Plan, workloads: Sequence[Workload]) -> str:
    if plan.excluded:
        return "no node is left to work on: " + "; ".join(f"node {node.name} {node.reason}" for node in plan.excluded)
    if workloads:
        return f"no node is selected: workload {_listed([w.name for w in workloads])} has no pod on any node"
    return "no node is selected: there is none that the selectors mean"


def _values(inputs: Sequence[Named], kind: str) -> set[str]:
    return {item.value for item in inputs if item.name == kind}


def _listed(names: Sequence[str]) -> str:
    return " or ".join(map(repr, names))
