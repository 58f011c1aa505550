"""What monitoring needs of Kubernetes: parts of the ports service.jobs.ports.Cluster and Reviews."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from service.domain.cluster_objects import Caller


@dataclass(frozen=True, slots=True)
class NodeCensus:
    """How many nodes are held by jobs, counted."""

    locked: int = 0
    #: When the lock was taken that is held longest; None: there is none.
    oldest_lock: datetime | None = None
    #: Cordoned by a job that goes on, or whose end is not yet cleared up.
    cordoned: int = 0
    #: Cordoned still, by a job that has ended and left it so.
    left_cordoned: int = 0


class MonitoredCluster(Protocol):
    async def left_cordoned(self) -> Mapping[str, str]:
        """Node → the job that has ended and left it cordoned; those that still are."""
        ...

    async def node_census(self) -> NodeCensus:
        """The counts as they are now."""
        ...


class Scrapers(Protocol):
    async def scraper(self, token: str) -> Caller | None:
        """Who the token speaks for in the cluster, where they may `get` the non-resource URL /metrics; else None."""
        ...
