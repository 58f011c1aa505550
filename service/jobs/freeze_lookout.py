"""When the cluster is frozen or unfrozen, every job that has not ended is looked at: its history and nodes say so."""

import asyncio

import structlog

from service.jobs.ports import Cluster, Records, UnavailableError
from service.jobs.reconcile import Reconciler
from workflow_templates.protocol.freeze import Freeze

log = structlog.get_logger()

#: Seconds between two looks.
LOOK_SECONDS = 2.0


class FreezeLookout:
    """Of the leader. What it begins with the reconciler finds out by itself: it reads every Workflow at its start."""

    def __init__(self, records: Records, cluster: Cluster, reconciler: Reconciler) -> None:
        self._records = records
        self._cluster = cluster
        self._reconciler = reconciler

    async def run(self) -> None:
        """For ever."""
        known, begins = None, True
        while True:
            try:
                found = await self._cluster.freeze()
                if not begins and found != known:
                    await self._look_at_all(found)
            except UnavailableError as error:
                log.warning("whether the cluster is frozen is not known", reason=str(error))
            else:
                known, begins = found, False
            await asyncio.sleep(LOOK_SECONDS)

    async def _look_at_all(self, found: Freeze | None) -> None:
        log.info("the cluster is frozen" if found else "the cluster is unfrozen", by=found.by if found else None)
        cluster_id = self._reconciler.cluster_id
        there = await self._records.unfinished(cluster_id)
        ended = await self._records.ended(cluster_id, there)
        for job_id in there:
            if job_id not in ended:
                self._reconciler.look_at(job_id)
