"""What a list request asks for, as conditions on the narrow table."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import Column, ColumnElement, UnaryExpression, func, or_
from sqlalchemy.sql.operators import custom_op

from service.domain.job import JobType
from service.domain.listing import ListQuery, Visible
from service.records.rows import folded, milliseconds, scope, storable
from service.records.tables import listing

#: From and to, in milliseconds since 1970; both count.
Span = tuple[int, int]

_PLUS = custom_op[Any]("+")


def reads_rows(query: ListQuery) -> bool:
    """Whether no single index holds all that the filter looks at."""
    equal = (query.type, query.phase, query.cluster_id, query.workspace_id)
    substrings = (query.user_name, query.job_name)
    filters = sum(value is not None for value in equal) + (not sees_all(query))
    return filters > 1 or any(value is not None for value in substrings)


def span_of(query: ListQuery) -> Span:
    return milliseconds(query.since), milliseconds(query.until)


def conditions(
    query: ListQuery, dialect: str, *, walked: Column[Any] | None = None, span: Span | None = None
) -> Sequence[ColumnElement[bool]]:
    """What the filter asks for, of another time where `span` is given.

    `walked` is the column whose index gives the order of the page.
    """
    usable = _usable_indexes(query, walked)

    def of(column: Column[Any]) -> ColumnElement[Any]:
        # To SQLite a column behind a plus sign is one without an index.
        return column if dialect == "postgresql" or column in usable else UnaryExpression(column, operator=_PLUS)

    asked: list[ColumnElement[bool]] = [of(listing.c.created_ms).between(*(span or span_of(query)))]
    if not query.include_deleted:
        asked.append(of(listing.c.hidden) == 0)
    if query.type is not None:
        asked.append(of(listing.c.type) == query.type.value)
    if query.phase is not None:
        asked.append(of(listing.c.phase) == query.phase.value)
    if query.cluster_id is not None:
        asked.append(of(listing.c.cluster_id) == storable(query.cluster_id))
    if query.workspace_id is not None:
        asked.append(of(listing.c.workspace_id) == storable(query.workspace_id))
    if query.user_name is not None:
        asked.append(_holds(listing.c.user_name_folded, query.user_name, dialect))
    if query.job_name is not None:
        asked.append(_holds(listing.c.job_name_folded, query.job_name, dialect))
    if not sees_all(query):
        asked.append(_visible(query.visible, _asked(query), of))
    return asked


def _usable_indexes(query: ListQuery, walked: Column[Any] | None) -> AbstractSet[Column[Any]]:
    """The columns whose index is worth using.

    PostgreSQL knows by its statistics. SQLite has none of ranges: it would sort a hundred thousand rows rather than
    walk an index, and look up half of them one by one rather than read them all in the order they lie in.
    """
    if walked is not None:
        return {walked}
    if reads_rows(query):
        return {listing.c.created_ms, listing.c.workspace_id, listing.c.user_id}
    return set(listing.c)


def sees_all(query: ListQuery) -> bool:
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
