"""List requests as SQL, and their pages.

Jobs are counted (for the usual lists by service.records.totals), and a page is read along the index of the column they
are sorted by. Where that would mean reading the whole table twice, because no index holds all that the filter looks at,
matches are fetched and sorted if they are few; neither database can know how few rows match a substring, so this is
tried up to a number of matches.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.list_query import ListQuery, Page
from service.records import names, totals
from service.records.filters import conditions, reads_rows, sees_all, source
from service.records.tables import SORT_COLUMNS, jobs, listing, planned_nodes

#: By these a caller who does not see all finds what they see.
OF_SOMEBODY = {listing.c.user_id, listing.c.scope}
#: So many matches are fetched and sorted in two milliseconds.
FEW = 1_000
#: The jobs of names that no more jobs than this have are found by their names. Others are so many that those of a page
#: are soon found along the index it is sorted by.
SOME = 5_000


async def page(connection: AsyncConnection, query: ListQuery) -> Page:
    """One page of a list. The connection must see one state of the store throughout."""
    dialect = connection.dialect.name
    found = await names.named(connection, query)
    if found and not found.jobs:
        return Page(0, [])
    total = await totals.total(connection, query, found)
    by_name = {found.column: found.names} if found and found.jobs <= SOME and query.node is None else {}
    few_of_somebody = total is not None and total <= FEW and not sees_all(query)
    if few_of_somebody or (reads_rows(query) and (total is None or total <= FEW)):
        usable = set(by_name) or (OF_SOMEBODY if few_of_somebody else None)
        asked = conditions(query, dialect, usable=usable, known_names=by_name)
        matching = (await connection.execute(_keys(query, dialect).where(*asked).limit(FEW + 1))).all()
        if len(matching) <= FEW:
            return await _page_of(connection, query, matching)
    if total is None:
        usable = set(by_name) or None
        asked = conditions(query, dialect, usable=usable, known_names=by_name)
        total = await connection.scalar(totals.count(*asked, source=source(query, dialect))) or 0
    if query.offset >= total:
        return Page(total, [])
    return Page(total, await _walk(connection, query, total, by_name))


async def _page_of(connection: AsyncConnection, query: ListQuery, found: Sequence[Row[*tuple[Any, ...]]]) -> Page:
    # Python compares texts by code point and PostgreSQL's "C" and SQLite by UTF-8 byte, which is the same order.
    ordered = sorted(found, reverse=query.descending)
    ids = [row[-1] for row in ordered[query.offset : query.offset + query.limit]]
    rows = await connection.execute(select(jobs.c.job_id, jobs.c.item).where(jobs.c.job_id.in_(ids)))
    items = {job_id: item.encode() for job_id, item in rows}
    return Page(len(found), [items[job_id] for job_id in ids])


async def _walk(
    connection: AsyncConnection, query: ListQuery, total: int, by_name: Mapping[Column[str], Sequence[str]]
) -> list[bytes]:
    """The page's items along an index; those of some names are fetched and sorted.

    Ids are found in the narrow table first, so that skipping an offset reads no item. A page beyond the middle is
    counted from the other end: the last page costs what the first one does.
    """
    limit = min(query.limit, total - query.offset)
    backwards = query.offset > total - query.offset - limit
    offset = total - query.offset - limit if backwards else query.offset
    descending = query.descending is not backwards
    usable = set(by_name) or (set() if query.node is not None else {SORT_COLUMNS[query.sort_by]})
    dialect = connection.dialect.name
    keys = _keys(query, dialect).where(*conditions(query, dialect, usable=usable, known_names=by_name))
    chosen = keys.order_by(*_order(keys.selected_columns, descending=descending)).limit(limit).offset(offset)
    ids = chosen.subquery("page")
    items = select(jobs.c.item).select_from(ids.join(jobs, jobs.c.job_id == ids.c.job_id))
    rows = await connection.execute(items.order_by(*_order(ids.c, descending=descending)))
    found = [item.encode() for (item,) in rows]
    return found[::-1] if backwards else found


def _keys(query: ListQuery, dialect: str) -> Select[*tuple[Any, ...]]:
    """What a job is sorted by: the column asked for, then the id, which is the last in any case."""
    if query.node is None:
        return select(*dict.fromkeys((SORT_COLUMNS[query.sort_by], listing.c.job_id)))
    # In the order of what is planned on the node, so that nothing is sorted where time is what it is sorted by.
    own = {listing.c.created_ms: planned_nodes.c.created_ms, listing.c.job_id: planned_nodes.c.job_id}
    columns = (own.get(column, column) for column in (SORT_COLUMNS[query.sort_by], listing.c.job_id))
    return select(*dict.fromkeys(columns)).select_from(source(query, dialect))


def _order(columns: Iterable[ColumnElement[Any]], *, descending: bool) -> list[ColumnElement[Any]]:
    return [column.desc() if descending else column.asc() for column in columns]
