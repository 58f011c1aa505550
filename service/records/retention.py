"""Dropping the records of jobs that ended long ago."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Select, delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from service.records.filters import among
from service.records.rows import NO_TIME, milliseconds, storable
from service.records.tables import jobs, listing, tallies

#: So many records at a time, so that it never holds up a writer for long: each has a row more for each of its nodes, of
#: which there may be thousands.
BATCH = 100
_DAY = 86_400_000


def of_cluster(cluster_id: str) -> Select[str]:
    """The ids of that cluster's jobs."""
    same = (listing.c.created_ms == jobs.c.created_ms) & (listing.c.job_id == jobs.c.job_id)
    return select(jobs.c.job_id).join(listing, same).where(listing.c.cluster_id == storable(cluster_id))


def over(cluster_id: str, ended_before: datetime) -> Select[str]:
    """The ids of those that ended before and have left nothing in the cluster."""
    return of_cluster(cluster_id).where(
        jobs.c.ended_ms != NO_TIME, jobs.c.ended_ms < milliseconds(ended_before), jobs.c.workflow_gone == 1
    )


async def drop_batch(
    connection: AsyncConnection, cluster_id: str, ended_before: datetime, only: Collection[str] | None = None
) -> int:
    """Drop up to a batch of them within the transaction, and return how many; those that are being changed are left."""
    old = over(cluster_id, ended_before)
    if only is not None:
        old = old.where(jobs.c.job_id.in_(among(sorted(only), connection.dialect.name)))
    locked = old.order_by(jobs.c.job_id).limit(BATCH).with_for_update(of=jobs, skip_locked=True)
    ids = (await connection.scalars(locked)).all()
    if not ids:
        return 0
    these = among(ids, connection.dialect.name)
    if connection.dialect.name == "postgresql":
        await _lock_tallies(connection, these)
    await connection.execute(delete(jobs).where(jobs.c.job_id.in_(these)))
    return len(ids)


async def _lock_tallies(connection: AsyncConnection, these: Select[str]) -> None:
    """Lock what the deletion will count down, in the order in which a change of one job does: shown before hidden.

    In the order of the rows two transactions could wait for each other, and PostgreSQL ends one of them.
    """
    kind = (listing.c.cluster_id, listing.c.type, listing.c.phase, listing.c.hidden)
    counted = select(listing.c.created_ms // _DAY, *kind).where(listing.c.job_id.in_(these))
    key = (tallies.c.day, tallies.c.cluster_id, tallies.c.type, tallies.c.phase, tallies.c.hidden)
    order = (tallies.c.day, tallies.c.cluster_id, tallies.c.type, tallies.c.hidden, tallies.c.phase)
    await connection.execute(select(tallies.c.jobs).where(tuple_(*key).in_(counted)).order_by(*order).with_for_update())
