"""What a job's steps wrote, as it is asked for and handed over."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from service.domain.log_lines import Line
from service.domain.step_pod import StepPod


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of the output is asked for; empty: all."""

    node: str = ""
    step: str = ""
    follow: bool = False
    #: Of each step's output, that many lines from its end.
    tail: int | None = None
    #: Nanoseconds since 1970.
    since: int = 0


class Missing(StrEnum):
    """Why lines are not there."""

    ROTATED = "rotated"
    POD_GONE = "pod gone"
    UNREACHABLE = "node unreachable"


@dataclass(frozen=True, slots=True)
class OutputLine:
    node: str
    pod: StepPod
    line: Line
    #: Masked, and cut.
    text: bytes
    #: For who reads on from here.
    event_id: str


@dataclass(frozen=True, slots=True)
class OutputGap:
    """Lines of a step are missing; times in nanoseconds since 1970, 0: not known."""

    node: str
    pod: StepPod | None
    since: int
    until: int
    reason: Missing


class Sink(Protocol):
    """Takes what was found, in its order; returns when there is room for more."""

    async def __call__(self, found: Sequence[OutputLine | OutputGap]) -> None: ...
