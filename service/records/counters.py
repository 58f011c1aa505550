"""Counts of what has ended, for monitoring: they only grow, and dropping a record does not lower them."""

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.ended_counts import Count, counts
from service.domain.job import Job, Phase
from service.records.rows import storable
from service.records.tables import counters, tallies


async def count_end(connection: AsyncConnection, job: Job) -> None:
    """Count a job that ends in this transaction."""
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(counters)
    # In one order: two jobs that end at the same time wait for each other, but never in a ring.
    rows = [
        {"cluster_id": storable(job.cluster_id), **count._asdict(), "value": value}
        for count, value in sorted(counts(job).items())
    ]
    key = [column.name for column in counters.primary_key]
    grown = {"value": counters.c.value + insert.excluded.value}
    # One statement for any number of rows: it is compiled once.
    await connection.execute(insert.on_conflict_do_update(index_elements=key, set_=grown), rows)


async def ended(connection: AsyncConnection, cluster_id: str) -> Mapping[Count, int]:
    """All counts of that cluster."""
    of_cluster = counters.c.cluster_id == storable(cluster_id)
    found = await connection.execute(select(counters).where(of_cluster))
    return {Count(row.name, row.type, row.detail): row.value for row in found}


async def unfinished(connection: AsyncConnection, cluster_id: str) -> Mapping[tuple[str, str], int]:
    """How many jobs of that cluster have not ended, by type and phase."""
    phases = [phase.value for phase in Phase if not phase.final]
    asked = (
        select(tallies.c.type, tallies.c.phase, func.sum(tallies.c.jobs).label("jobs"))
        .where(tallies.c.cluster_id == storable(cluster_id), tallies.c.phase.in_(phases))
        .group_by(tallies.c.type, tallies.c.phase)
    )
    return {(row.type, row.phase): int(row.jobs) for row in await connection.execute(asked)}
