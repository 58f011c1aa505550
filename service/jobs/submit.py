"""Submission as one promise: what is accepted runs exactly once, what is refused leaves nothing behind."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import structlog

from service.domain import addon, names, selection
from service.domain.cluster import AddonTemplate, Caller
from service.domain.faults import Fault, RefusedError
from service.domain.job import Condition, Job, JobType, Named, Phase, Plan
from service.domain.phase import created
from service.jobs.ports import Cluster, IdempotencyKey, Records, UnavailableError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request that is well-formed; whether it can run is decided against the cluster."""

    name: str
    type: JobType
    inputs: tuple[Named, ...]
    timeout_second: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def values(self, name: str) -> list[str]:
        """The values of one kind of input, in input order."""
        return [item.value for item in self.inputs if item.name == name]
