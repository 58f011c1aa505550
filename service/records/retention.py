"""Dropping the records of jobs that ended long ago."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, delete, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from service.records.filters import among
from service.records.rows import NO_TIME, milliseconds, storable
from service.records.tables import job_names, jobs, listing, node_tallies, planned_nodes, tallies, user_names

#: So many records at a time, so that it never holds up a writer for long: each has a row more for each of its nodes, of
#: which there may be thousands.
BATCH = 100
_DAY = 86_400_000
#: As the triggers of migration 0009 read a plan.
_PLANNED = text(
    r"""
    SELECT value ->> 'name' AS node, created_ms / 86400000 AS day
    FROM jobs CROSS JOIN json_array_elements(replace(body, '\u0000', '\ufffd')::json -> 'plan' -> 'nodes')
    WHERE job_id = ANY(CAST(:ids AS text[]))
    """
)


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
        await _lock_counts(connection, ids, these)
    await connection.execute(delete(jobs).where(jobs.c.job_id.in_(these)))
    return len(ids)


async def _lock_counts(connection: AsyncConnection, ids: Sequence[str], these: Select[str]) -> None:
    """Lock what the deletion will count down, in the order in which a change of one job does: shown before hidden.

    In the order of the rows two transactions could wait for each other, and PostgreSQL ends one of them.
    """
    here = listing.c.job_id.in_(these)
    for table, column in ((job_names, listing.c.job_name), (user_names, listing.c.user_name)):
        named = table.c.name.in_(select(column).where(here))
        await _lock(connection, table, named, (table.c.name,))
    day = listing.c.created_ms // _DAY
    planned = select(*_PLANNED.columns(planned_nodes.c.node, node_tallies.c.day).subquery().c)
    planned = planned.params(ids=list(ids))
    of_nodes = node_tallies.c
    on_nodes = tuple_(of_nodes.node, of_nodes.day).in_(planned)
    await _lock(connection, node_tallies, on_nodes, (of_nodes.hidden, of_nodes.node, of_nodes.day))
    counted = select(day, listing.c.cluster_id, listing.c.type, listing.c.phase, listing.c.hidden).where(here)
    of = tallies.c
    tallied = tuple_(of.day, of.cluster_id, of.type, of.phase, of.hidden).in_(counted)
    await _lock(connection, tallies, tallied, (of.day, of.cluster_id, of.type, of.hidden, of.phase))


async def _lock(
    connection: AsyncConnection, table: Table, which: ColumnElement[bool], order: Sequence[Column[Any]]
) -> None:
    await connection.execute(select(table.c.jobs).where(which).order_by(*order).with_for_update())
