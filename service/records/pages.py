"""List requests as SQL."""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, UnaryExpression, func, or_, select
from sqlalchemy.sql.operators import custom_op

from service.domain.job import JobType
from service.domain.listing import ListQuery, SortField, Visible
from service.records.rows import folded, milliseconds, scope, storable
from service.records.tables import SORT_COLUMNS, jobs, listing

#: Matches that are sorted in the time a list may take.
SORTED_AT_ONCE = 20_000
#: One tenth of the records are walked in index order in less time than all of them are filtered.
WALKED_SHARE = 10

_PLUS = custom_op[Any]("+")


def count_of(query: ListQuery, dialect: str) -> Select[int]:
    """How many jobs the whole filter names."""
    return select(func.count()).select_from(listing).where(*_conditions(query, dialect))


def items_of(query: ListQuery, dialect: str, total: int) -> tuple[Select[str], bool]:
    """The page's items, and whether they come in reverse.

    Ids are found in the narrow table first, so that skipping an offset reads no item. A page beyond the middle is
    counted from the other end: the last page costs what the first one does.
    """
    limit = max(0, min(query.limit, total - query.offset))
    backwards = query.offset > total - query.offset - limit
    offset = total - query.offset - limit if backwards else query.offset
    descending = query.descending is not backwards
    chosen = _chosen(query, dialect, filter_first=_filter_first(query, total, offset + limit))
    page = chosen.order_by(*_order(chosen.selected_columns, descending=descending)).limit(limit).offset(offset)
    ids = page.subquery("page")
    items = select(jobs.c.item).select_from(ids.join(jobs, jobs.c.job_id == ids.c.job_id))
    return items.order_by(*_order(ids.c, descending=descending)), backwards


def _filter_first(query: ListQuery, total: int, wanted: int) -> bool:
    """Whether to find all that match and sort them, rather than to walk an index in order until the page is full.

    The walk looks at (wanted / total) of all records. Neither database can know how few match a substring; we have just
    counted them. By creation time the walk costs no more than the count did.
    """
    return query.sort_by is not SortField.CREATION_TIME and total <= SORTED_AT_ONCE and wanted * WALKED_SHARE > total


def _chosen(query: ListQuery, dialect: str, *, filter_first: bool) -> Select[Any]:
    """The matching jobs: job_id and, where it is another one, the column they are sorted by."""
    column = SORT_COLUMNS[query.sort_by]
    wanted = select(*dict.fromkeys((column, listing.c.job_id)))
    if filter_first:
        found = wanted.where(*_conditions(query, dialect)).cte("found").prefix_with("MATERIALIZED")
        return select(found)
    return wanted.where(*_conditions(query, dialect, walked=column))


def _order(columns: Iterable[ColumnElement[Any]], *, descending: bool) -> list[ColumnElement[Any]]:
    return [column.desc() if descending else column.asc() for column in columns]


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
    equal = (query.type, query.phase, query.cluster_id)
    rest = (query.workspace_id, query.user_name, query.job_name, None if _sees_all(query) else query.visible)
    if sum(value is not None for value in (*equal, *rest)) > 1:
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
