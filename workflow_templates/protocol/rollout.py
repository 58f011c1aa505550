"""How a job goes over its nodes: phases, limits, groups (contract: Rollouts), as its steps and the service read it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import accumulate
from typing import Any, Literal, Self

#: The file of a job's ConfigMap. A job without it goes over its nodes as before there were rollouts.
FILE = "rollout.json"

#: Argo works through every entry of a loop that is not at its end, at each of its turns, and through those of no group
#: whose nodes have all ended or are not yet begun (docs/decisions/0029).
_GROUP_NODES = 50

#: A hundred years, in seconds: a gate ends when a person advances the job.
_FOR_EVER = 3_155_760_000

Advance = Literal["auto", "manual"]
OnFailure = Literal["stop", "pause"]


@dataclass(frozen=True, slots=True)
class Phase:
    """Nodes that are worked on before those of the next phase; nothing is waited for after the last phase."""

    #: In the order in which they begin.
    nodes: tuple[str, ...]
    #: How long, after the last of them has ended, the next phase waits.
    soak_seconds: int = 0
    #: Whether it then begins by itself, or waits for a person.
    advance: Advance = "auto"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How a job goes over its nodes, whichever they are."""

    #: How many nodes the job works on at a time.
    at_once: int = 1
    #: How many planned nodes may be out of service, those of others counted; None: those of others do not count.
    max_unavailable: int | None = None
    #: So many failed nodes are tolerated.
    failure_limit: int = 0
    on_failure: OnFailure = "stop"
    #: Node → value of the topology's label; a node without it is a group of its own.
    groups: Mapping[str, str] = field(default_factory=dict)
    #: Of one group at a time; None: any number.
    max_per_group: int | None = None
    #: A group begins only where there is room for all of it; then its places are no other's.
    together: bool = False

    @property
    def limits(self) -> dict[str, Any]:
        """Each of these by its name, for another that has the same."""
        return {limit.name: getattr(self, limit.name) for limit in fields(Limits)}


@dataclass(frozen=True, kw_only=True)
class Rollout(Limits):
    phases: tuple[Phase, ...]

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """All planned nodes, phase after phase; the ledger has a letter for each, in this order."""
        return tuple(node for phase in self.phases for node in phase.nodes)

    @cached_property
    def phase_of(self) -> Mapping[str, int]:
        """Node → its phase, from 1."""
        return {node: number for number, phase in enumerate(self.phases, 1) for node in phase.nodes}

    def group_of(self, node: str) -> str:
        """What it shares a group with; of a node without the label, the node itself (no label value has a slash)."""
        return self.groups.get(node, f"/{node}")

    @property
    def parameters(self) -> dict[str, str]:
        """Of its Workflow: its nodes in their order, the phases' numbers, and what there is to each phase.

        An addon goes over groups of nodes, a reboot over lanes: `lanes` where the first failure ends the job.
        """
        ends = list(accumulate(len(phase.nodes) for phase in self.phases))
        numbers = [str(number) for number in range(1, len(ends) + 1)]
        plan = [self._phase(phase, end, last=end == ends[-1]) for phase, end in zip(self.phases, ends, strict=True)]
        return {"nodes": json.dumps(self.nodes), "phases": json.dumps(numbers), "plan": json.dumps(plan)}

    def _phase(self, phase: Phase, end: int, *, last: bool) -> dict[str, Any]:
        first = end - len(phase.nodes)
        places = min(self.at_once, len(phase.nodes))
        lanes = [f"{number} of {places}" for number in range(1, places + 1)]
        ends_at_once = self.failure_limit == 0 and self.on_failure == "stop"
        return {
            "first": first,
            "nodes": len(phase.nodes),
            "groups": groups(first + 1, end),
            "lanes": lanes if ends_at_once else [],
            "tolerant-lanes": [] if ends_at_once else lanes,
            # Seconds; after the last phase there is nothing to wait for.
            "soak": str(0 if last else phase.soak_seconds),
            "gate": str(_FOR_EVER if phase.advance == "manual" and not last else 0),
            "last": "yes" if last else "no",
        }

    def text(self) -> str:
        """As the job's file holds it."""
        return json.dumps(
            {
                "phases": [
                    {"nodes": phase.nodes, "soakSeconds": phase.soak_seconds, "advance": phase.advance}
                    for phase in self.phases
                ],
                "atOnce": self.at_once,
                "maxUnavailable": self.max_unavailable,
                "failureLimit": self.failure_limit,
                "onFailure": self.on_failure,
                "groups": dict(self.groups),
                "maxPerGroup": self.max_per_group,
                "together": self.together,
            }
        )

    @classmethod
    def of(cls, text: str) -> Self:
        """What `text` returned, read back."""
        found: dict[str, Any] = json.loads(text)
        return cls(
            phases=tuple(
                Phase(tuple(phase["nodes"]), phase["soakSeconds"], phase["advance"]) for phase in found["phases"]
            ),
            at_once=found["atOnce"],
            max_unavailable=found["maxUnavailable"],
            failure_limit=found["failureLimit"],
            on_failure=found["onFailure"],
            groups=found["groups"],
            max_per_group=found["maxPerGroup"],
            together=found["together"],
        )

    @classmethod
    def plain(cls, nodes: tuple[str, ...], *, at_once: int = 1) -> Self:
        """One phase, nothing counted but the job's own nodes, no failure tolerated."""
        return cls(phases=(Phase(nodes),), at_once=at_once)


def groups(first: int, last: int) -> list[str]:
    """Which nodes of the plan each group has, as people read it: "1 to 50". Nothing that a node may be called."""
    return [f"{start} to {min(start + _GROUP_NODES - 1, last)}" for start in range(first, last + 1, _GROUP_NODES)]
