"""How many jobs a list finds, without looking at each of them, for the lists that people look at most.

Who sees all has the tallies of whole days, and what is counted of a part of a day at either end. Who sees the jobs of
some workspaces has those counted along an index of their own, and their own jobs elsewhere along another: in one
condition, with an "or" between, each row of the table would be compared with every workspace.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.job import JobType
from service.domain.list_query import ListQuery, Visible
from service.records.filters import Span, among, asked_types, conditions, of_kind, scopes, sees_all, span_of, unindexed
from service.records.rows import storable
from service.records.tables import listing, planned_nodes, tallies

#: In milliseconds.
_DAY = 86_400_000
_EVERYTHING = Visible("", "", everywhere=frozenset(JobType))


async def total(connection: AsyncConnection, query: ListQuery, few: int) -> int | None:
    """How many jobs match; None: the filter asks for more than is told apart here, and has to be counted by.

    Also None: they are planned on a node, and no more than `few`, which are as well fetched.
    """
    if query.node is not None:
        return await _planned_on(connection, query, query.node, few)
    if any(value is not None for value in (query.workspace_id, query.user_name, query.job_name)):
        return None
    parts = _parts(query, connection.dialect.name)
    if not parts:
        return None
    one, *others = (part.scalar_subquery() for part in parts)
    # One statement: the parts are of one moment wherever this is called.
    return int(await connection.scalar(select(sum(others, one))) or 0)


async def _planned_on(connection: AsyncConnection, query: ListQuery, node: str, few: int) -> int | None:
    """What is planned there, less the deleted jobs: of a node that is in very many plans no job is looked up."""
    narrowed = (query.type, query.phase, query.cluster_id, query.workspace_id, query.user_name, query.job_name)
    if not sees_all(query) or any(value is not None for value in narrowed):
        return None
    there = planned_nodes.c.node == storable(node)
    counted = count(there, planned_nodes.c.created_ms.between(*span_of(query)), source=planned_nodes)
    planned = int(await connection.scalar(counted) or 0)
    if planned <= few or query.include_deleted:
        return planned if query.include_deleted else None
    same = (planned_nodes.c.created_ms == listing.c.created_ms) & (planned_nodes.c.job_id == listing.c.job_id)
    deleted = count(
        unindexed(listing.c.hidden, connection.dialect.name) == 1,
        listing.c.created_ms.between(*span_of(query)),
        select(planned_nodes.c.node).where(there, same).exists(),
    )
    return planned - int(await connection.scalar(deleted) or 0)


def _parts(query: ListQuery, dialect: str) -> list[Select[Any]]:
    """Counts of jobs that have none in common, and are all."""
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


def _by_day(query: ListQuery, dialect: str) -> list[Select[Any]]:
    since, until = span_of(query)
    first, end = -(-since // _DAY), until // _DAY
    if first >= end:
        return []
    return [
        _whole_days(query, first, end),
        _part_of_day(query, dialect, (since, first * _DAY - 1)),
        _part_of_day(query, dialect, (end * _DAY, until)),
    ]


def _whole_days(query: ListQuery, first: int, end: int) -> Select[Any]:
    days = (tallies.c.day >= first, tallies.c.day < end)
    return select(func.coalesce(func.sum(tallies.c.jobs), 0)).where(*days, *of_kind(query, tallies))


def _part_of_day(query: ListQuery, dialect: str, span: Span) -> Select[Any]:
    """Along creation time: any other index holds all the days that this leaves out."""
    return count(*conditions(query, dialect, usable={listing.c.created_ms}, span=span))


def count(*asked: ColumnElement[bool], source: FromClause = listing) -> Select[Any]:
    """How many jobs match, each of them looked at."""
    return select(func.count()).select_from(source).where(*asked)
