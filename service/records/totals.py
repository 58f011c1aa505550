"""How many jobs a list finds, without looking at each of them, for the lists that people look at most.

Who sees all has the tallies of whole days, of all jobs or of a node's, and what is counted of a part of a day at either
end; where a name is asked for, the jobs of the names that hold it. Who sees the jobs of
some workspaces has those counted along an index of their own, and their own jobs elsewhere along another: in one
condition, with an "or" between, each row of the table would be compared with every workspace.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.job import JobType
from service.domain.list_query import ListQuery, Visible
from service.records.filters import (
    Span,
    among,
    asked_types,
    conditions,
    of_kind,
    scopes,
    sees_all,
    source,
    span_of,
    unindexed,
)
from service.records.names import Named, others
from service.records.rows import milliseconds, storable
from service.records.tables import listing, node_tallies, tallies

#: In milliseconds.
_DAY = 86_400_000
#: Of a list that has no end: no job is created later.
_NO_END = milliseconds(datetime.max.replace(tzinfo=UTC))
_EVERYTHING = Visible("", "", everywhere=frozenset(JobType))


async def total(connection: AsyncConnection, query: ListQuery, found: Named | None) -> int | None:
    """How many jobs match; None: the filter asks for more than is told apart here, and has to be counted by.

    `found`: the names that the query asks for.
    """
    if query.workspace_id is not None:
        return None
    if query.user_name is not None or query.job_name is not None:
        return None if found is None else await _named(connection, query, found)
    parts = _parts(query, connection.dialect.name)
    if not parts:
        return None
    one, *others = (part.scalar_subquery() for part in parts)
    # One statement: the parts are of one moment wherever this is called.
    return int(await connection.scalar(select(sum(others, one))) or 0)


async def _named(connection: AsyncConnection, query: ListQuery, found: Named) -> int | None:
    """Along the index of names: those that hold what is asked for, or where these are most jobs the others."""
    unnamed = replace(query, user_name=None, job_name=None)
    both = query.user_name is not None and query.job_name is not None
    if both or not sees_all(query) or unnamed != replace(unnamed, type=None, phase=None, cluster_id=None, node=None):
        return None
    everything = int(await connection.scalar(select(func.coalesce(func.sum(tallies.c.jobs), 0))) or 0)
    if 2 * found.jobs > everything and (rest := await others(connection, found)) is not None:
        of_all = await total(connection, unnamed, None)
        if of_all is not None:
            return of_all - await _count_named(connection, unnamed, found, rest)
    return await _count_named(connection, unnamed, found, found.names)


async def _count_named(connection: AsyncConnection, query: ListQuery, found: Named, names: Sequence[str]) -> int:
    if not names:
        return 0
    dialect = connection.dialect.name
    asked = conditions(query, dialect, usable={found.column}, known_names={found.column: names})
    return int(await connection.scalar(count(*asked)) or 0)


def _parts(query: ListQuery, dialect: str) -> list[Select[Any]]:
    """Counts of jobs that have none in common, and are all."""
    if query.node is not None:
        return _on_node(query, query.node, dialect)
    if sees_all(query):
        return _by_day(query, dialect)
    if query.phase is None and query.cluster_id is None and not asked_types(query) & query.visible.everywhere:
        return _of_member(query, dialect)
    return []


def _of_member(query: ListQuery, dialect: str) -> list[Select[Any]]:
    seen, anybodys = scopes(query), replace(query, visible=_EVERYTHING)
    here = storable(query.visible.cluster_id)
    own = [
        *conditions(anybodys, dialect, usable={listing.c.user_id}),
        unindexed(listing.c.cluster_id, dialect) == here,
    ]
    elsewhere = [listing.c.user_id == storable(query.visible.user_id)]
    if not seen:
        return [count(*own, *elsewhere)]
    elsewhere.append(unindexed(listing.c.scope, dialect).not_in(among(seen, dialect)))
    # A scope names its type: asked for once more, each row would be looked up beside the index that holds the rest.
    in_workspaces = conditions(replace(anybodys, type=None), dialect, usable={listing.c.scope})
    in_workspaces = [*in_workspaces, listing.c.scope.in_(among(seen, dialect)), listing.c.cluster_id == here]
    return [count(*in_workspaces), count(*own, *elsewhere)]


def _on_node(query: ListQuery, node: str, dialect: str) -> list[Select[Any]]:
    if not sees_all(query) or any(value is not None for value in (query.type, query.phase, query.cluster_id)):
        return []
    there = [node_tallies.c.node == storable(node)]
    if not query.include_deleted:
        there.append(node_tallies.c.hidden == 0)
    return _days(query, dialect, node_tallies, there)


def _by_day(query: ListQuery, dialect: str) -> list[Select[Any]]:
    return _days(query, dialect, tallies, of_kind(query, tallies))


def _days(query: ListQuery, dialect: str, tallied: Table, asked: Sequence[ColumnElement[bool]]) -> list[Select[Any]]:
    """Whole days as they are tallied, and what is left of a day at either end."""
    since, until = span_of(query)
    first, end = -(-since // _DAY), until // _DAY
    if first >= end:
        return []
    days, last = [tallied.c.day >= first], []
    if until < _NO_END:
        days.append(tallied.c.day < end)
        last.append(_part_of_day(query, dialect, (end * _DAY, until)))
    whole = select(func.coalesce(func.sum(tallied.c.jobs), 0)).where(*days, *asked)
    return [whole, _part_of_day(query, dialect, (since, first * _DAY - 1)), *last]


def _part_of_day(query: ListQuery, dialect: str, span: Span) -> Select[Any]:
    """Along creation time: any other index holds all the days that this leaves out."""
    usable = set() if query.node is not None else {listing.c.created_ms}
    return count(*conditions(query, dialect, usable=usable, span=span), source=source(query, dialect))


def count(*asked: ColumnElement[bool], source: FromClause = listing) -> Select[Any]:
    """How many jobs match, each of them looked at."""
    return select(func.count()).select_from(source).where(*asked)
