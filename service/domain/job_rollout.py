"""Where a job with a rollout stands, as its record keeps it (contract: Rollouts)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from workflow_templates.protocol import labels
from workflow_templates.protocol.rollout import Advance, Limits, Phase, Rollout


class PhaseState(StrEnum):
    """Of one phase of a rollout."""

    PENDING = "Pending"
    RUNNING = "Running"
    SOAKING = "Soaking"
    AWAITING_ADVANCE = "AwaitingAdvance"
    DONE = "Done"


@dataclass(frozen=True, slots=True)
class RolloutPhase:
    """One phase: how many of the plan's nodes, after those of the phases before, and how far it is."""

    nodes: int
    soak_seconds: int = 0
    advance: Advance = "auto"
    state: PhaseState = PhaseState.PENDING
    start: datetime | None = None
    #: When its nodes had ended and it began to soak; None: it has not, or does not soak.
    soaking: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Steering:
    """What persons have said of a running job. A job without a rollout has no more than this."""

    #: Who paused it, and why; empty: it is not paused by a person.
    paused: str = ""
    #: Whether the Workflow was seen to know what persons have said.
    carried_out: bool = True

    @property
    def annotations(self) -> dict[str, str | None]:
        """What the Workflow has to say of it; None: nothing."""
        return {labels.PAUSED: self.paused or None}

    def seen_at(self, annotations: Mapping[str, str], *, completed: bool) -> Self:
        """The same, with whether the Workflow knows it: one that has completed needs to know nothing more."""
        told = all(annotations.get(key) == value for key, value in self.annotations.items())
        return replace(self, carried_out=told or completed)


@dataclass(frozen=True, kw_only=True)
class JobRollout(Limits, Steering):
    """The limits that were resolved, the phases, and what persons have said since."""

    phases: tuple[RolloutPhase, ...]
    #: The phase up to which a person ended soaks and gates; 0: none.
    advanced: int = 0
    #: How many failed nodes a person tolerated.
    tolerated: int = 0
    #: Whether it is in the job's history that failures hold it now.
    failures_said: bool = False

    @classmethod
    def of(cls, rollout: Rollout) -> "JobRollout":
        """As a job begins with it."""
        return cls(
            phases=tuple(RolloutPhase(len(phase.nodes), phase.soak_seconds, phase.advance) for phase in rollout.phases),
            **rollout.limits,
        )

    def nodes_of(self, names: Sequence[str]) -> list[Sequence[str]]:
        """The nodes of each phase; `names` are the plan's, in its order."""
        found, first = [], 0
        for phase in self.phases:
            found.append(names[first : first + phase.nodes])
            first += phase.nodes
        return found

    def over(self, names: Sequence[str]) -> Rollout:
        """As its steps know it."""
        phases = zip(self.phases, self.nodes_of(names), strict=True)
        return Rollout(
            phases=tuple(Phase(tuple(nodes), phase.soak_seconds, phase.advance) for phase, nodes in phases),
            **self.limits,
        )

    @property
    def annotations(self) -> dict[str, str | None]:
        return {
            **super().annotations,
            labels.ADVANCED: str(self.advanced),
            labels.TOLERATED: str(self.tolerated) if self.tolerated else None,
        }

    @property
    def current(self) -> int:
        """The phase, from 1, that is not yet done; after the last the number of phases."""
        done = sum(phase.state is PhaseState.DONE for phase in self.phases)
        return min(done + 1, len(self.phases))
