"""Housekeeping of the leader: jobs without a Workflow, nodes of jobs that are over, unreachable nodes, old records."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import structlog

from service.jobs.ports import Cluster, Records, UnavailableError
from service.jobs.reconcile import Reconciler
from service.jobs.storing_output import OutputStoring
from workflow_templates.protocol import node_lock

log = structlog.get_logger()

#: Seconds between two rounds.
ROUND = 10.0
#: By then a submission has its record, or its caller has an error.
_UNOWNED_SECONDS = 600
#: How long the records of ended jobs are kept in a store that began with this default.
DEFAULT_RETENTION_DAYS = 90
#: How long a text is kept that no record names, and how often such are looked for.
_TEXTS = timedelta(hours=1)
#: How often old audit lines are looked for.
_AUDIT = timedelta(minutes=10)


class Housekeeping:
    """All duties in one round, repeated for ever."""

    def __init__(  # noqa: PLR0913 - what its duties need
        self,
        records: Records,
        cluster: Cluster,
        reconciler: Reconciler,
        *,
        lost_node_seconds: int,
        retention_days: int | None,
        audit_retention_days: int = 0,
        storing: OutputStoring | None = None,
    ) -> None:
        self._records = records
        self._cluster = cluster
        self._reconciler = reconciler
        self._lost_node_seconds = lost_node_seconds
        self._retention_days = retention_days
        self._audit_retention_days = audit_retention_days
        self._storing = storing
        self._asked_at = datetime.min.replace(tzinfo=UTC)
        self._texts_at = datetime.now(UTC)
        self._audit_at = datetime.now(UTC)
        #: Node → why it stays locked though its job is over, as it was logged.
        self._kept: dict[str, str] = {}

    async def run(self) -> None:
        while True:
            duties = (
                self._begin_again,
                self._restore_nodes,
                self._free_leases,
                self._end_stuck_pods,
                self._drop_checks,
                self._drop_secrets,
                self._forget,
                self._drop_texts,
                self._drop_audit_lines,
            )
            for duty in duties:
                try:
                    await duty()
                except UnavailableError as error:
                    log.warning("a round of housekeeping was cut short", duty=duty.__name__, reason=str(error))
                except Exception:
                    log.exception("a round of housekeeping failed", duty=duty.__name__)
            await asyncio.sleep(ROUND)

    async def _begin_again(self) -> None:
        """Submissions that died between the record and the Workflow, and stops that met an absent apiserver."""
        for job_id in await self._records.unsettled(self._reconciler.cluster_id):
            self._reconciler.look_at(job_id)

    async def _restore_nodes(self) -> None:
        """Put back what a job left behind: its Workflow was removed by hand, its clean-up never ran, its node died."""
        nodes_of = defaultdict(list)
        for node, job_id in (await self._cluster.holders()).items():
            nodes_of[job_id].append(node)
        # Cordon marks are cluster-wide: what no record of this cluster knows belongs to another installation.
        for job_id in await self._records.ended(self._reconciler.cluster_id, nodes_of.keys()):
            for node in nodes_of[job_id]:
                await _alone(self._give_back(node, job_id), node=node, job_id=job_id)

    async def _give_back(self, node: str, job_id: str) -> None:
        why = await self._cluster.give_back_node(node, job_id)
        if not why:
            log.info("freed a node of a job that is over", node=node, job_id=job_id)
            self._kept.pop(node, None)
        elif self._kept.get(node) != why:
            log.info("a node stays locked beyond the end of its job", node=node, job_id=job_id, reason=why)
            self._kept[node] = why

    async def _free_leases(self) -> None:
        """What else jobs have that are over; and whatever a job has that neither a record nor a Workflow knows.

        The second is so after the store was lost, or restored from before: no step frees what another job has.
        """
        leases = await self._cluster.leases()
        over = await self._records.ended(self._reconciler.cluster_id, set(leases.values()))
        unknown = set(leases.values()) - over
        if unknown:
            unknown -= set(await self._records.unfinished(self._reconciler.cluster_id))
        lost = {job_id for job_id in unknown if await self._is_lost(job_id)}
        for name, job_id in leases.items():
            if job_id in lost or (job_id in over and not name.startswith(node_lock.PREFIX)):
                log.info("freeing what a job has that is over", lease=name, job_id=job_id)
                await _alone(self._cluster.free_lease(name, job_id), lease=name, job_id=job_id)

    async def _is_lost(self, job_id: str) -> bool:
        """Whether neither a Workflow nor a record knows it, of another cluster's neither."""
        return await self._cluster.workflow(job_id) is None and await self._records.get(job_id) is None

    async def _end_stuck_pods(self) -> None:
        for pod, why in (await self._cluster.end_stuck_pods(self._lost_node_seconds)).items():
            log.warning("gave up a step that did not start, or whose node does not answer", pod=pod, reason=why)

    async def _drop_checks(self) -> None:
        """A job's record is written before its checks have anything, so what was seen first of the two is old."""
        with_checks = await self._cluster.jobs_with_checks()
        if not with_checks:
            return
        for job_id in set(with_checks) - set(await self._records.unfinished(self._reconciler.cluster_id)):
            log.info("dropping what the checks of a job had, whose Workflow is gone", job_id=job_id)
            await _alone(self._cluster.delete_checks(job_id), job_id=job_id)

    async def _drop_secrets(self) -> None:
        """A submission that died, or failed, between the Secret and the record left one that no Workflow will own."""
        for job_id in await self._cluster.unowned_secrets(_UNOWNED_SECONDS):
            job = await self._records.get(job_id)
            if job is None or job.workflow_gone:
                log.info("dropping the Secret of a job that was not accepted, or is gone", job_id=job_id)
                await _alone(self._cluster.delete_secret(job_id), job_id=job_id)

    async def _forget(self) -> None:
        days = self._retention_days
        if days is None and await self._records.drops_by_default():
            days = self._retention_days = DEFAULT_RETENTION_DAYS
        if days:
            gone = await self._forget_ended(datetime.now(UTC) - timedelta(days=days))
            if gone:
                log.info("dropped old records", count=gone)
        elif days is None:
            await self._ask_for_a_decision()

    async def _forget_ended(self, before: datetime) -> int:
        """Where output is stored it goes before the record: of as many in a round as the store can be asked about."""
        cluster_id = self._reconciler.cluster_id
        if self._storing is None:
            return await self._records.forget(cluster_id, before)
        old = await self._records.forgettable(cluster_id, before)
        for job_id in old:
            await self._storing.remove(job_id)
        return await self._records.forget(cluster_id, before, only=old) if old else 0

    async def _ask_for_a_decision(self) -> None:
        """Where everything was kept so far, nothing is dropped, and a log line a day asks for how long to keep it."""
        now = datetime.now(UTC)
        if now < self._asked_at + timedelta(days=1):
            return
        self._asked_at = now
        old = await self._records.count_ended(self._reconciler.cluster_id, now - timedelta(days=DEFAULT_RETENTION_DAYS))
        if old:
            log.warning(
                "old records are kept until the chart says for how long",
                count=old,
                ended_more_than_days_ago=DEFAULT_RETENTION_DAYS,
                remedy="set the chart's value database.retentionDays (0: for ever)",
            )

    async def _drop_texts(self) -> None:
        """Scripts that no record names any more, some time after the last job was accepted with them."""
        now = datetime.now(UTC)
        if now < self._texts_at:
            return
        self._texts_at = now + _TEXTS
        if dropped := await self._records.drop_unused_texts(now - _TEXTS):
            log.info("dropped the texts of jobs that are gone", count=dropped)

    async def _drop_audit_lines(self) -> None:
        """Old ones, where any are; and of refused and failed calls all but the newest."""
        now = datetime.now(UTC)
        if now < self._audit_at:
            return
        self._audit_at = now + _AUDIT
        days = self._audit_retention_days
        before = now - timedelta(days=days) if days else datetime.min.replace(tzinfo=UTC)
        if dropped := await self._records.drop_audit_lines(self._reconciler.cluster_id, before):
            log.info("dropped old audit lines", count=dropped)


async def _alone(done: Awaitable[None], **of: str) -> None:
    """One of many like it: where it fails the others have their turn, and it has another in the next round."""
    try:
        await done
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this one's
        log.warning("that failed and will be tried again", reason=str(error), **of)
