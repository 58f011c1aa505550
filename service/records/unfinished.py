"""How many unfinished jobs a caller and a workspace have, exactly, however many are written at the same moment."""

import hashlib

from sqlalchemy import Column, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.job import Job, Phase
from service.jobs.ports import Quota, QuotaError
from service.records.filters import unindexed
from service.records.rows import storable
from service.records.tables import listing

_UNFINISHED = tuple(phase.value for phase in Phase if not phase.final)


async def check(connection: AsyncConnection, job: Job, quota: Quota) -> None:
    """Within the transaction that writes the job; until its end no other writes one for the same caller or workspace.

    Raises:
        QuotaError: there are as many as there may be.
    """
    counted = []
    if most := quota.per_caller:
        counted.append(("you have", listing.c.user_id, job.user_id, most))
    if (most := quota.per_workspace) and job.workspace_id:
        counted.append((f"workspace {job.workspace_id!r} has", listing.c.workspace_id, job.workspace_id, most))
    await _alone(connection, *(f"{column.name}={value}" for _, column, value, _ in counted))
    for who, column, value, most in counted:
        unfinished = await _count(connection, job.cluster_id, column, value)
        if unfinished >= most:
            raise QuotaError(
                f"{who} {unfinished} unfinished jobs, and at most {most} are accepted at a time: "
                "send this one again when one of them has ended, or stop or delete one"
            )


async def _count(connection: AsyncConnection, cluster_id: str, column: Column[str], value: str) -> int:
    return int(await connection.scalar(counting(connection.dialect.name, cluster_id, column, value)) or 0)


def counting(dialect: str, cluster_id: str, column: Column[str], value: str) -> Select[int]:
    """By the index on phases: few jobs are unfinished, of all that a caller ever had."""
    return (
        select(func.count())
        .select_from(listing)
        .where(
            listing.c.phase.in_(_UNFINISHED),
            unindexed(column, dialect) == storable(value),
            unindexed(listing.c.cluster_id, dialect) == storable(cluster_id),
        )
    )


async def _alone(connection: AsyncConnection, *what: str) -> None:
    """SQLite has one writer at a time anyway. In the order of their keys, so that no two wait for each other."""
    if connection.dialect.name != "postgresql":
        return
    keys = sorted(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True) for text in what)
    for key in keys:
        await connection.execute(select(func.pg_advisory_xact_lock(literal_column(str(key)))))
