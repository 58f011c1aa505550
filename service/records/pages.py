"""List requests as SQL, and their answers.

Jobs are counted, and a page is read along the index of the column they are sorted by. Where that would mean reading
the whole table twice, because no index holds all that the filter looks at, matches are fetched and sorted if they are
few; neither database can know how few rows match a substring, so this is tried up to a number of matches.
"""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, UnaryExpression, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.operators import custom_op

from service.domain.job import JobType
from service.domain.listing import ListQuery, Page, Visible
from service.records.rows import folded, milliseconds, scope, storable
from service.records.tables import SORT_COLUMNS, jobs, listing

#: So many matches are fetched and sorted in two milliseconds.
FEW = 1_000

_PLUS = custom_op[Any]("+")


async def page(connection: AsyncConnection, query: ListQuery) -> Page:
    """The answer to a list request. The connection must see one state of the store throughout."""
    dialect = connection.dialect.name
    if _reads_rows(query):
        found = (await connection.execute(_keys(query).where(*_conditions(query, dialect)).limit(FEW + 1))).all()
        if len(found) <= FEW:
            return await _page_of(connection, query, found)
    count = select(func.count()).select_from(listing).where(*_conditions(query, dialect))
    total = await connection.scalar(count) or 0
    if query.offset >= total:
        return Page(total, [])
    return Page(total, await _walk(connection, query, total))


async def _page_of(connection: AsyncConnection, query: ListQuery, found: Sequence[Row[*tuple[Any, ...]]]) -> Page:
    # Python compares texts by code point and PostgreSQL's "C" and SQLite by UTF-8 byte, which is the same order.
    ordered = sorted(found, reverse=query.descending)
    ids = [row[-1] for row in ordered[query.offset : query.offset + query.limit]]
    rows = await connection.execute(select(jobs.c.job_id, jobs.c.item).where(jobs.c.job_id.in_(ids)))
    items = {job_id: item.encode() for job_id, item in rows}
    return Page(len(found), [items[job_id] for job_id in ids])


async def _walk(connection: AsyncConnection, query: ListQuery, total: int) -> list[bytes]:
    """The page's items along an index.

    Ids are found in the narrow table first, so that skipping an offset reads no item. A page beyond the middle is
    counted from the other end: the last page costs what the first one does.
    """
    limit = min(query.limit, total - query.offset)
    backwards = query.offset > total - query.offset - limit
    offset = total - query.offset - limit if backwards else query.offset
    descending = query.descending is not backwards
    column = SORT_COLUMNS[query.sort_by]
    keys = _keys(query).where(*_conditions(query, connection.dialect.name, walked=column))
    chosen = keys.order_by(*_order(keys.selected_columns, descending=descending)).limit(limit).offset(offset)
    ids = chosen.subquery("page")
    items = select(jobs.c.item).select_from(ids.join(jobs, jobs.c.job_id == ids.c.job_id))
    rows = await connection.execute(items.order_by(*_order(ids.c, descending=descending)))
    found = [item.encode() for (item,) in rows]
    return found[::-1] if backwards else found


def _keys(query: ListQuery) -> Select[*tuple[Any, ...]]:
    """What a job is sorted by: the column asked for, then the id, which is the last in any case."""
    return select(*dict.fromkeys((SORT_COLUMNS[query.sort_by], listing.c.job_id)))


def _order(columns: Iterable[ColumnElement[Any]], *, descending: bool) -> list[ColumnElement[Any]]:
    return [column.desc() if descending else column.asc() for column in columns]


def _reads_rows(query: ListQuery) -> bool:
    """Whether no single index holds all that the filter looks at."""
    equal = (query.type, query.phase, query.cluster_id, query.workspace_id)
    substrings = (query.user_name, query.job_name)
    filters = sum(value is not None for value in equal) + (not _sees_all(query))
    return filters > 1 or any(value is not None for value in substrings)


def _conditions(query: ListQuery, dialect: str, walked: Column[Any] | None = None) -> Sequence[ColumnElement[bool]]:
    """What the filter asks for; `walked` is the column whose index gives the order of the page."""
    usable = _usable_indexes(query, walked)

    def of(column: Column[Any]) -> ColumnElement[Any]:
        # To SQLite a column behind a plus sign is one without an index.
        return column if dialect == "postgresql" or column in usable else UnaryExpression(column, operator=_PLUS)

    conditions: list[ColumnElement[bool]] = [
        of(listing.c.created_ms).between(milliseconds(query.since), milliseconds(query.until))
    ]
    if not query.include_deleted:
        conditions.append(of(listing.c.hidden) == 0)
    if query.type is not None:
        conditions.append(of(listing.c.type) == query.type.value)
    if query.phase is not None:
        conditions.append(of(listing.c.phase) == query.phase.value)
    if query.cluster_id is not None:
        conditions.append(of(listing.c.cluster_id) == storable(query.cluster_id))
    if query.workspace_id is not None:
        conditions.append(of(listing.c.workspace_id) == storable(query.workspace_id))
    if query.user_name is not None:
        conditions.append(_holds(listing.c.user_name_folded, query.user_name, dialect))
    if query.job_name is not None:
        conditions.append(_holds(listing.c.job_name_folded, query.job_name, dialect))
    if not _sees_all(query):
        conditions.append(_visible(query.visible, _asked(query), of))
    return conditions


def _usable_indexes(query: ListQuery, walked: Column[Any] | None) -> AbstractSet[Column[Any]]:
    """The columns whose index is worth using.

    PostgreSQL knows by its statistics. SQLite has none of ranges: it would sort a hundred thousand rows rather than
    walk an index, and look up half of them one by one rather than read them all in the order they lie in.
    """
    if walked is not None:
        return {walked}
    if _reads_rows(query):
        return {listing.c.created_ms, listing.c.workspace_id, listing.c.user_id}
    return set(listing.c)


def _sees_all(query: ListQuery) -> bool:
    return _asked(query) <= query.visible.everywhere


def _asked(query: ListQuery) -> AbstractSet[JobType]:
    return {query.type} if query.type else set(JobType)


def _holds(column: ColumnElement[str], text: str, dialect: str) -> ColumnElement[bool]:
    """Substring, found without LIKE: nothing in the text has a meaning of its own, and its length has no limit."""
    position = func.strpos if dialect == "postgresql" else func.instr
    return position(column, folded(text)) > 0


def _visible(
    visible: Visible, asked: AbstractSet[JobType], of: Callable[[Column[Any]], ColumnElement[Any]]
) -> ColumnElement[bool]:
    ways: list[ColumnElement[bool]] = [of(listing.c.user_id) == storable(visible.user_id)]
    if everywhere := sorted(asked & visible.everywhere):
        ways.append(of(listing.c.type).in_(everywhere))
    scopes = sorted(scope(*pair) for pair in visible.workspaces if pair[0] in asked - visible.everywhere)
    if scopes:
        ways.append(of(listing.c.scope).in_(scopes))
    return or_(*ways)
