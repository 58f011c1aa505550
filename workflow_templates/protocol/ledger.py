"""What became of each planned node of a job so far, in one Lease per job that its own steps alone change.

A step notes there that it begins a node, against the version that it has read: of two that want the last free place the
API refuses one, which then decides again (may_begin.py). That needs no service (docs/decisions/0047).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from workflow_templates.protocol import labels
from workflow_templates.protocol.rollout import Rollout

#: What the names of these Leases begin with.
PREFIX = "rollout-"


class State(Enum):
    """Of a planned node, as the letter that stands for it."""

    NOT_BEGUN = "."
    WORKING = "w"
    SUCCEEDED = "s"
    FAILED = "f"
    #: It was looked at and left as it was: it is not fit, or too many failed.
    SKIPPED = "k"


@dataclass(frozen=True, slots=True)
class Ledger:
    """What became of each planned node: a letter for each, in the order of `Rollout.nodes`."""

    rollout: Rollout
    letters: str

    @classmethod
    def empty(cls, rollout: Rollout) -> Self:
        return cls(rollout, State.NOT_BEGUN.value * len(rollout.nodes))

    @classmethod
    def of(cls, rollout: Rollout, annotations: Mapping[str, str]) -> Self:
        """As it stands at the Lease; one that is missing or is no ledger of this plan is empty."""
        letters = annotations.get(labels.LEDGER, "")
        return cls(rollout, letters) if len(letters) == len(rollout.nodes) else cls.empty(rollout)

    def state(self, node: str) -> State:
        return State(self.letters[self.rollout.nodes.index(node)])

    def noting(self, node: str, state: State) -> Self:
        """The same with another state of one node."""
        at = self.rollout.nodes.index(node)
        return replace(self, letters=f"{self.letters[:at]}{state.value}{self.letters[at + 1 :]}")

    def in_state(self, *states: State) -> frozenset[str]:
        wanted = {state.value for state in states}
        return frozenset(
            node for node, letter in zip(self.rollout.nodes, self.letters, strict=True) if letter in wanted
        )


def name(job: str) -> str:
    """Of the job's Lease."""
    return f"{PREFIX}{job}"
