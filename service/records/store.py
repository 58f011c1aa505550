"""The record store: the `Records` port on PostgreSQL and SQLite."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import structlog
from sqlalchemy import ColumnElement, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.audit_line import AuditEntry, AuditLine, AuditQuery
from service.domain.ended_counts import Count
from service.domain.job import Job, Phase
from service.domain.list_query import ListQuery, Page
from service.domain.node_list import LastJobs, Work
from service.domain.notification import Notification, of_change
from service.domain.receiver import Receiver
from service.jobs.notification_queue import Backlog, Queued
from service.jobs.ports import Claim, IdempotencyKey, Quota, UnavailableError
from service.records import (
    audit_lines,
    counters,
    keys,
    last_jobs,
    notifications,
    pages,
    retention,
    unfinished,
)
from service.records import texts as long_texts
from service.records.engine import Database
from service.records.filters import among, unindexed
from service.records.rows import from_body, storable, to_job_row, to_listing_row
from service.records.tables import facts, job_versions, jobs, listing

log = structlog.get_logger()


class SqlRecords:
    """Every record of every job, whole in one place; each method is one transaction.

    Raises UnavailableError from every method when the database does not answer within seconds.
    """

    def __init__(self, url: str, receivers: Sequence[Receiver] = ()) -> None:
        self._database = Database(url)
        self._receivers = receivers

    async def close(self) -> None:
        await self._database.close()

    async def ping(self) -> None:
        async with self._database.reading() as connection:
            await connection.execute(select(literal(1)).select_from(jobs).limit(1))

    async def claim(self, key: IdempotencyKey, now: datetime) -> Claim:
        async with self._database.writing() as connection:
            return await keys.claim(connection, key, now)

    async def release(self, key: IdempotencyKey) -> None:
        async with self._database.writing() as connection:
            await connection.execute(keys.released(key))

    async def add(
        self,
        job: Job,
        key: IdempotencyKey | None = None,
        quota: Quota | None = None,
        entry: AuditEntry | None = None,
    ) -> None:
        """Write a new job, complete its key, and note who created it, in one transaction.

        Raises:
            QuotaError: the caller, or the workspace, has as many unfinished jobs as they may.
            UnavailableError: also where the id, or the key, was used in the same moment. Nothing was written (but for
                a store that went while it committed, and stays away), and sending the request again is what helps.
        """
        written = False
        try:
            async with self._database.writing() as connection:
                if quota is not None:
                    await unfinished.check(connection, job, quota)
                await _write_new(connection, job, key)
                await _note(connection, entry, job)
                await self._notify(connection, None, job)
                written = True
        except IntegrityError as error:
            raise UnavailableError(f"the job id {job.job_id} is taken; send the request again") from error
        except UnavailableError:
            # The answer to a commit may be lost after the commit was done: then the job is accepted, and will run.
            if not (written and await self._is_there(job)):
                raise
        if entry:
            entry.kept = True

    async def _is_there(self, job: Job) -> bool:
        try:
            return await self.get(job.job_id) == job
        except UnavailableError:
            return False

    async def get(self, job_id: str, *, texts: bool = True) -> Job | None:
        async with self._database.reading() as connection:
            body = await connection.scalar(select(jobs.c.body).where(jobs.c.job_id == job_id))
            if body is None:
                return None
            job = from_body(body)
            hashes = long_texts.named(job)
            return long_texts.put_back(job, await long_texts.read(connection, hashes)) if texts and hashes else job

    async def get_version(self, job_id: str) -> tuple[Job, int] | None:
        async with self._database.reading() as connection:
            body = await connection.scalar(select(jobs.c.body).where(jobs.c.job_id == job_id))
            known = await connection.scalar(select(job_versions.c.version).where(job_versions.c.job_id == job_id))
            return None if body is None else (from_body(body), known or 0)

    async def versions(self, job_ids: Collection[str]) -> Mapping[str, int]:
        if not job_ids:
            return {}
        wanted = job_versions.c.job_id.in_(among(sorted(job_ids), self._database.dialect))
        async with self._database.reading() as connection:
            found = await connection.execute(select(job_versions.c.job_id, job_versions.c.version).where(wanted))
            return {row.job_id: row.version for row in found}

    async def last_jobs(self, cluster_id: str, names: Sequence[str]) -> Mapping[str, LastJobs]:
        async with self._database.reading() as connection:
            return await last_jobs.last_jobs(connection, cluster_id, names)

    async def works(self, job_ids: Collection[str], names: Collection[str]) -> Mapping[str, Work]:
        async with self._database.reading() as connection:
            return await last_jobs.works(connection, job_ids, names)

    async def ended_counts(self, cluster_id: str) -> Mapping[Count, int]:
        async with self._database.reading() as connection:
            return await counters.ended(connection, cluster_id)

    async def unfinished_counts(self, cluster_id: str) -> Mapping[tuple[str, str], int]:
        async with self._database.reading() as connection:
            return await counters.unfinished(connection, cluster_id)

    async def next_look(self) -> None:
        await self._database.listening.next_look()

    async def change(self, job_id: str, change: Callable[[Job], Job], entry: AuditEntry | None = None) -> Job | None:
        async with self._database.writing() as connection:
            body = await connection.scalar(select(jobs.c.body).where(jobs.c.job_id == job_id).with_for_update())
            if body is None:
                return None
            before = from_body(body)
            after = change(before)
            changed = after is not before and after != before
            if changed:
                await _write_over(connection, before, after)
                await _note(connection, entry, after)
                await self._notify(connection, before, after)
        if entry:
            entry.kept = changed
        return after

    async def _notify(self, connection: AsyncConnection, before: Job | None, after: Job) -> None:
        """Whatever is wrong with what is to be told, the job goes on."""
        if not self._receivers:
            return
        now = datetime.now(UTC)
        try:
            found = list(of_change(self._receivers, before, after, now))
        except Exception:
            log.exception("a change of a job cannot be told", job_id=after.job_id)
            return
        await notifications.enqueue(connection, after.cluster_id, found, now)

    async def enqueue(self, cluster_id: str, found: Iterable[Notification], now: datetime) -> None:
        async with self._database.writing() as connection:
            await notifications.enqueue(connection, cluster_id, found, now)

    async def next_notification(self, cluster_id: str, receiver: str, now: datetime) -> Queued | None:
        async with self._database.reading() as connection:
            return await notifications.next_due(connection, cluster_id, receiver, now)

    async def settle_notification(self, number: int) -> None:
        async with self._database.writing() as connection:
            await notifications.settle(connection, number)

    async def postpone_notification(self, number: int, due: datetime) -> None:
        async with self._database.writing() as connection:
            await notifications.postpone(connection, number, due)

    async def drop_notifications(self, cluster_id: str, receivers: Collection[str], now: datetime) -> Mapping[str, int]:
        async with self._database.writing() as connection:
            return await notifications.drop(connection, cluster_id, receivers, now)

    async def backlogs(self, cluster_id: str) -> Mapping[str, Backlog]:
        async with self._database.reading() as connection:
            return await notifications.backlogs(connection, cluster_id)

    async def gone_addresses(self, cluster_id: str) -> Mapping[str, str]:
        async with self._database.reading() as connection:
            return await notifications.gone(connection, cluster_id)

    async def note_gone(self, cluster_id: str, receiver: str, address: str) -> None:
        async with self._database.writing() as connection:
            await notifications.note_gone(connection, cluster_id, receiver, address)

    async def note(self, lines: Iterable[AuditLine]) -> None:
        async with self._database.writing() as connection:
            await audit_lines.write(connection, lines)

    async def audit_page(self, query: AuditQuery) -> Page:
        async with self._database.reading() as connection:
            return await audit_lines.page(connection, query)

    async def drop_audit_lines(self, cluster_id: str, before: datetime) -> int:
        dropped = 0
        while True:
            async with self._database.writing() as connection:
                batch = await audit_lines.drop_batch(connection, cluster_id, before)
            dropped += batch
            if not batch:
                return dropped

    async def namespace_of(self, cluster_id: str, workspace_id: str) -> str:
        latest = (
            select(jobs.c.body)
            .join(listing, listing.c.job_id == jobs.c.job_id)
            .where(listing.c.workspace_id == storable(workspace_id))
            .where(unindexed(listing.c.cluster_id, self._database.dialect) == storable(cluster_id))
            .order_by(listing.c.created_ms.desc(), listing.c.job_id.desc())
            .limit(1)
        )
        async with self._database.reading() as connection:
            body = await connection.scalar(latest)
        return "" if body is None else from_body(body).workspace_namespace

    async def page(self, query: ListQuery) -> Page:
        async with self._database.reading() as connection:
            return await pages.page(connection, query)

    async def unfinished(self, cluster_id: str) -> Sequence[str]:
        return await self._ids(cluster_id, jobs.c.workflow_gone == 0)

    async def unsettled(self, cluster_id: str) -> Sequence[str]:
        return await self._ids(cluster_id, jobs.c.unsettled == 1)

    async def _ids(self, cluster_id: str, which: ColumnElement[bool]) -> Sequence[str]:
        """The ids of those jobs, oldest first."""
        async with self._database.reading() as connection:
            found = await connection.scalars(
                retention.of_cluster(cluster_id).where(which).order_by(jobs.c.created_ms, jobs.c.job_id)
            )
            return found.all()

    async def ended(self, cluster_id: str, job_ids: Collection[str]) -> frozenset[str]:
        if not job_ids:
            return frozenset()
        final = [phase.value for phase in Phase if phase.final]
        async with self._database.reading() as connection:
            found = await connection.scalars(
                select(listing.c.job_id).where(
                    listing.c.job_id.in_(among(sorted(job_ids), self._database.dialect)),
                    unindexed(listing.c.phase, self._database.dialect).in_(final),
                    unindexed(listing.c.cluster_id, self._database.dialect) == storable(cluster_id),
                )
            )
            return frozenset(found)

    async def forgettable(self, cluster_id: str, ended_before: datetime) -> Sequence[str]:
        async with self._database.reading() as connection:
            old = retention.over(cluster_id, ended_before).order_by(jobs.c.job_id).limit(retention.BATCH)
            return (await connection.scalars(old)).all()

    async def forget(self, cluster_id: str, ended_before: datetime, only: Collection[str] | None = None) -> int:
        forgotten = 0
        while True:
            async with self._database.writing() as connection:
                dropped = await retention.drop_batch(connection, cluster_id, ended_before, only)
            forgotten += dropped
            if dropped < retention.BATCH:
                return forgotten

    async def drops_by_default(self) -> bool:
        async with self._database.reading() as connection:
            return await connection.scalar(select(facts.c.value).where(facts.c.name == "retention")) == "default"

    async def count_ended(self, cluster_id: str, ended_before: datetime) -> int:
        async with self._database.reading() as connection:
            old = retention.over(cluster_id, ended_before).subquery()
            return await connection.scalar(select(func.count()).select_from(old)) or 0

    async def drop_unused_texts(self, unused_since: datetime) -> int:
        async with self._database.writing() as connection:
            return await long_texts.drop_unused(connection, unused_since)


async def _note(connection: AsyncConnection, entry: AuditEntry | None, job: Job) -> None:
    if entry:
        await audit_lines.write(connection, [entry.line.about(job)])


async def _write_new(connection: AsyncConnection, job: Job, key: IdempotencyKey | None) -> None:
    if key is not None and not await keys.complete(connection, key, job.job_id, job.created):
        raise UnavailableError(
            f"another request with the Idempotency-Key {key.key!r} ended first; send the request again"
        )
    short, found = long_texts.taken_out(job)
    await connection.execute(insert(jobs).values(to_job_row(short)))
    await connection.execute(insert(listing).values(to_listing_row(job)))
    await long_texts.keep(connection, job, found, job.created)


async def _write_over(connection: AsyncConnection, before: Job, after: Job) -> None:
    if (after.job_id, after.created) != (before.job_id, before.created):
        raise ValueError(f"a change of {before.job_id} must keep its id and the time it was created")
    short, found = long_texts.taken_out(after)
    await connection.execute(update(jobs).where(jobs.c.job_id == after.job_id).values(to_job_row(short)))
    if after.hidden and after.workflow_gone:
        # It is not run again, and no caller retries it.
        await long_texts.release(connection, after.job_id)
    elif found:  # a record of the release before
        await long_texts.keep(connection, after, found, after.created)
    row = to_listing_row(after)
    # Most changes (a node's phase, a condition) touch nothing that a list sorts or filters by.
    if row != to_listing_row(before):
        this = (listing.c.created_ms == row["created_ms"]) & (listing.c.job_id == after.job_id)
        await connection.execute(update(listing).where(this).values(row))
    if after.phase.final and not before.phase.final:
        await counters.count_end(connection, after)
