"""From what a request says of its rollout to phases, limits and groups of named nodes (contract: Rollouts).

Decided once, at submission. What can never go on is refused; what may pass (a node is out of service now) is warned of.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

from service.domain import messages
from service.domain.cluster_objects import Node
from service.domain.request_faults import Fault, FaultCode, shown
from service.domain.share import Share
from workflow_templates.protocol.rollout import Phase, Rollout

REST = "rest"
_PATH = "rollout"
#: Nodes that begin one after another and are never in two phases: one, or with `together` a whole group.
_Block = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What comes of it. With any fault it is not to be run."""

    rollout: Rollout
    #: Planned nodes that are out of service as it is planned, and why.
    out_of_service: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


def contradictions(options: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with the order's fields beside each other, whatever is planned."""
    limit = (options.get("rollout") or {}).get("failureLimit")
    ratio = options.get("availableRatio")
    if limit is not None and ratio is not None:
        message = (
            "says when a job fails, and so does availableRatio: send one of them; "
            f"{shown(limit)} and {shown(ratio)} were sent"
        )
        yield Fault(f"{_PATH}.failureLimit", message, FaultCode.CONTRADICTION)


def resolve(
    wanted: Mapping[str, Any], nodes: Sequence[Node], *, batch_count: int | None = None, failure_limit: int = 0
) -> RolloutPlan:
    """The rollout over these planned nodes.

    `wanted`: the request's field. `batch_count`: the request's own. `failure_limit`: where `wanted` has none.
    """
    planned, topology = len(nodes), wanted.get("topology") or {}
    max_unavailable = _share(wanted, "maxUnavailable", planned, least=1)
    limit = _share(wanted, "failureLimit", planned, least=0)
    at_once = min(batch_count or max_unavailable or 1, max_unavailable or planned, max(planned, 1))
    together = bool(topology.get("together"))
    label = topology.get("label", "")
    groups = {node.name: node.labels[label] for node in nodes if label in node.labels}
    out = {node.name: why for node in nodes if (why := node.out_of_service())}
    blocks = _blocks(nodes, groups, together=together, spread=topology.get("maxPerGroup") is not None)
    # What is out of service needs no room of its own; behind a node that waits for it, it would never begin. Another
    # job's work passes by itself.
    stuck = {node.name for node in nodes if node.name in out and not node.worked_on_by}
    blocks.sort(key=stuck.isdisjoint)
    cut = _Cut(planned)
    phases = cut.phases(wanted.get("phases") or [{"nodes": REST}], blocks)
    rollout = Rollout(
        phases=tuple(phases),
        at_once=at_once,
        max_unavailable=max_unavailable,
        failure_limit=failure_limit if limit is None else limit,
        on_failure=wanted.get("onFailure") or "stop",
        groups=groups,
        max_per_group=topology.get("maxPerGroup"),
        together=together,
    )
    return RolloutPlan(
        rollout,
        out,
        (*cut.warnings, *_unlabelled(rollout, topology), *_held_up(rollout, out)),
        (*cut.faults, *_unknown_label(rollout, topology), *_never(rollout, batch_count)) if planned else (),
    )


def _share(wanted: Mapping[str, Any], name: str, planned: int, *, least: int) -> int | None:
    value = wanted.get(name)
    return None if value is None else Share.of(value, least=least).down(planned, least=least)


def _blocks(nodes: Sequence[Node], groups: Mapping[str, str], *, together: bool, spread: bool) -> list[_Block]:
    """The planned nodes in the order in which they begin."""
    names = sorted(node.name for node in nodes)
    of_group: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        of_group[groups.get(name, f"/{name}")].append(name)
    if together:
        return [tuple(members) for members in of_group.values()]
    if spread:  # else those of one group would wait for each other at the head
        return [(name,) for name in chain.from_iterable(zip_longest(*of_group.values())) if name is not None]
    return [(name,) for name in names]


class _Cut:
    """Cuts the nodes into phases, and keeps what is to be said about that."""

    def __init__(self, planned: int) -> None:
        self._planned = planned
        self.warnings: list[str] = []
        self.faults: list[Fault] = []

    def phases(self, wanted: Sequence[Mapping[str, Any]], blocks: Sequence[_Block]) -> Iterator[Phase]:
        left = list(blocks)
        self._check_sum(wanted)
        for number, phase in enumerate(wanted, 1):
            share = _wanted_nodes(phase)
            count = share.up(self._planned) if share else None
            nodes = _taken(left, count)
            if not nodes and self._planned:
                self.warnings.append(f"phase {number} of the request has no node left for it and is left out")
                continue
            if count is not None and len(nodes) > count:
                self.warnings.append(f"phase {number} has {len(nodes)} nodes instead of {count}: groups stay together")
            yield Phase(nodes, phase.get("soakSeconds") or 0, phase.get("advance") or "auto")
        if wanted and (wanted[-1].get("soakSeconds") or wanted[-1].get("advance") == "manual"):
            self.warnings.append("nothing follows the last phase: its soakSeconds and advance do nothing")
        if over := sum(map(len, left)):
            message = (
                f"leave {over} of the {self._planned} planned nodes over: let the last phase take them, "
                f'with "nodes": "{REST}" or without nodes'
            )
            self.faults.append(Fault(f"{_PATH}.phases", message))

    def _check_sum(self, wanted: Sequence[Mapping[str, Any]]) -> None:
        """Before anything is rounded: two halves of three nodes are no more than these."""
        total = 0
        for index, phase in enumerate(wanted):
            share = _wanted_nodes(phase)
            total += share.hundredths(self._planned) if share else 0
            if total > 100 * self._planned:
                message = (
                    f"with it the phases take more nodes than the {self._planned} that are planned; "
                    f"{shown(phase['nodes'])} was sent"
                )
                self.faults.append(Fault(f"{_PATH}.phases[{index}].nodes", message))
                return


def _wanted_nodes(phase: Mapping[str, Any]) -> Share | None:
    """None: the rest."""
    value = phase.get("nodes")
    return None if value in (None, REST) else Share.of(value, least=1)


def _taken(left: list[_Block], count: int | None) -> _Block:
    """Take whole blocks until there are so many nodes; None: all."""
    nodes: list[str] = []
    while left and (count is None or len(nodes) < count):
        nodes += left.pop(0)
    return tuple(nodes)


def _unknown_label(rollout: Rollout, topology: Mapping[str, Any]) -> Iterator[Fault]:
    if topology and not rollout.groups:
        message = f"none of the planned nodes has the label {shown(topology['label'])}"
        yield Fault(f"{_PATH}.topology.label", message, FaultCode.UNKNOWN_LABEL)


def _never(rollout: Rollout, batch_count: int | None) -> Iterator[Fault]:
    """Groups that have to begin together, and never could."""
    if not rollout.together or not rollout.groups:
        return
    sizes = {group: len(nodes) for group, nodes in _members(rollout).items()}
    largest = max(sizes, key=lambda group: (sizes[group], group))
    size = f"group {largest!r} has {sizes[largest]} planned nodes, which begin together"
    limit = rollout.max_unavailable
    if limit is not None and sizes[largest] > limit:
        message = f"{size}; maxUnavailable comes to {limit}, so that they never could"
        yield Fault(f"{_PATH}.maxUnavailable", message, FaultCode.NEVER_BEGINS)
    elif sizes[largest] > rollout.at_once:
        what = f"batchCount is {batch_count}" if batch_count else "without maxUnavailable one node begins at a time"
        path = "batchCount" if batch_count else f"{_PATH}.maxUnavailable"
        yield Fault(path, f"{size}; {what}, so that they never could", FaultCode.NEVER_BEGINS)


def _unlabelled(rollout: Rollout, topology: Mapping[str, Any]) -> Iterator[str]:
    without = [name for name in rollout.nodes if name not in rollout.groups]
    if rollout.groups and without:
        one = len(without) == 1
        what = "node has no" if one else "nodes have no"
        each = "it is a group of its own" if one else "each is a group of its own"
        yield f"{len(without)} {what} label {topology['label']}: {each}: {messages.listed(sorted(without))}"


def _held_up(rollout: Rollout, out: Mapping[str, str]) -> Iterator[str]:
    """What may wait, as things are now, for something that is not this job's to do."""
    if not out:
        return
    named = messages.listed([f"{name} {why}" for name, why in sorted(out.items())])
    limit = rollout.max_unavailable
    if limit is not None:
        full = ": no other node begins until that has changed" if len(out) >= limit else ""
        may = f", of which maxUnavailable lets {limit} be{full}"
    else:
        may = ""
    already = "1 planned node is" if len(out) == 1 else f"{len(out)} planned nodes are"
    yield f"{already} out of service already{may}: {named}"
    for group, members in sorted(_members(rollout).items()):
        down = sorted(out.keys() & members)
        if rollout.max_per_group is not None and len(down) >= rollout.max_per_group and len(down) < len(members):
            yield f"group {group!r}: as many of its nodes as may be are out of service; the others wait for {down[0]}"
        needed = len(out.keys() | members)
        if rollout.together and limit is not None and len(out) < limit < needed:
            yield f"group {group!r} waits until fewer others are out of service: with it {needed} would be, not {limit}"


def _members(rollout: Rollout) -> dict[str, set[str]]:
    """The planned nodes of each group that has a name."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for node, group in rollout.groups.items():
        found[group].add(node)
    return found
