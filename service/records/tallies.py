"""How many jobs a list finds: the tallies of whole days, and what is counted of a part of a day at either end."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.listing import ListQuery
from service.records.filters import Span, conditions, sees_all, span_of
from service.records.rows import storable
from service.records.tables import listing, tallies

#: In milliseconds.
_DAY = 86_400_000


async def total(connection: AsyncConnection, query: ListQuery) -> int | None:
    """How many jobs match; None: the filter asks for what the tallies do not tell apart, or for less than a day."""
    untold = (query.workspace_id, query.user_name, query.job_name)
    if not sees_all(query) or any(value is not None for value in untold):
        return None
    since, until = span_of(query)
    first, end = -(-since // _DAY), until // _DAY
    if first >= end:
        return None
    dialect = connection.dialect.name
    parts = (
        _whole_days(query, first, end),
        _counted(query, dialect, (since, first * _DAY - 1)),
        _counted(query, dialect, (end * _DAY, until)),
    )
    one, *others = (part.scalar_subquery() for part in parts)
    # One statement: the three are of one moment wherever this is called.
    return int(await connection.scalar(select(sum(others, one))) or 0)


def _whole_days(query: ListQuery, first: int, end: int) -> Select[Any]:
    found = select(func.coalesce(func.sum(tallies.c.jobs), 0)).where(tallies.c.day >= first, tallies.c.day < end)
    if not query.include_deleted:
        found = found.where(tallies.c.hidden == 0)
    if query.cluster_id is not None:
        found = found.where(tallies.c.cluster_id == storable(query.cluster_id))
    if query.type is not None:
        found = found.where(tallies.c.type == query.type.value)
    if query.phase is not None:
        found = found.where(tallies.c.phase == query.phase.value)
    return found


def _counted(query: ListQuery, dialect: str, span: Span) -> Select[Any]:
    """Along creation time: any other index holds all the days that this leaves out."""
    asked = conditions(query, dialect, walked=listing.c.created_ms, span=span)
    return select(func.count()).select_from(listing).where(*asked)
