"""What is asked for, before the cluster is looked at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.domain.cluster_objects import Caller
from service.domain.job import JobType, Named


@dataclass(frozen=True, slots=True)
class Retry:
    """The job before, whose nodes are worked on again: its id, and the files that it ran, by their names."""

    job_id: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request that is well-formed; whether it can run is decided against the cluster."""

    name: str
    type: JobType
    inputs: tuple[Named, ...]
    timeout_second: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    #: Whose rights count where a job may read more for some than for others; None: no one's.
    caller: Caller | None = None
    #: False: fields that it needs were faulty and are left out. Such an order is only looked at, for more faults.
    complete: bool = True
    #: None: it is the first of its kind.
    retry: Retry | None = None

    def values(self, name: str) -> list[str]:
        """The values of one kind of input, in input order."""
        return [item.value for item in self.inputs if item.name == name]
