"""What a list request asks for, as conditions on the narrow table."""

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    FromClause,
    Select,
    Table,
    Text,
    UnaryExpression,
    and_,
    any_,
    cast,
    func,
    or_,
    select,
)
from sqlalchemy.sql.operators import custom_op

from service.domain.job import JobType
from service.domain.list_query import ListQuery
from service.records.rows import folded, milliseconds, scope, storable
from service.records.tables import listing, planned_nodes

#: From and to, in milliseconds since 1970; both count.
Span = tuple[int, int]

_NONE_KNOWN: Mapping[Column[str], Sequence[str]] = {}
_PLUS = custom_op[Any]("+")


def reads_rows(query: ListQuery) -> bool:
    """Whether no single index holds all that the filter looks at."""
    equal = (query.type, query.phase, query.cluster_id, query.workspace_id)
    substrings = (query.user_name, query.job_name)
    filters = sum(value is not None for value in equal) + (not sees_all(query))
    return filters > 1 or query.node is not None or any(value is not None for value in substrings)


def source(query: ListQuery, dialect: str) -> FromClause:
    """What the filter's columns are of: the narrow table, and where it names a node what is planned there, first.

    The id alone says which job it is. SQLite finds a row by time and id; PostgreSQL, which takes the two for
    independent of each other, would expect no match, and read the whole table before the first row of a page.
    """
    if query.node is None:
        return listing
    same = listing.c.job_id == planned_nodes.c.job_id
    if dialect != "postgresql":
        same &= listing.c.created_ms == planned_nodes.c.created_ms
    return planned_nodes.join(listing, same)


def span_of(query: ListQuery) -> Span:
    return milliseconds(query.since), milliseconds(query.until)


def conditions(
    query: ListQuery,
    dialect: str,
    *,
    usable: AbstractSet[Column[Any]] | None = None,
    span: Span | None = None,
    known_names: Mapping[Column[str], Sequence[str]] = _NONE_KNOWN,
) -> Sequence[ColumnElement[bool]]:
    """What the filter asks for, of another time where `span` is given. `usable`: whose index may be used.

    `known_names`: all that hold what the filter asks a name to hold.
    """
    usable = _usable_indexes(query) if usable is None else usable

    def of(column: Column[Any]) -> ColumnElement[Any]:
        return column if column in usable else unindexed(column, dialect)

    asked = [of(listing.c.created_ms).between(*(span or span_of(query))), *of_kind(query, listing, of)]
    if query.node is not None:
        planned_then = planned_nodes.c.created_ms.between(*(span or span_of(query)))
        asked += [planned_nodes.c.node == storable(query.node), planned_then]
    if query.workspace_id is not None:
        asked.append(of(listing.c.workspace_id) == storable(query.workspace_id))
    named = (
        (query.user_name, listing.c.user_name, listing.c.user_name_folded),
        (query.job_name, listing.c.job_name, listing.c.job_name_folded),
    )
    for part, column, folded_column in named:
        if column in known_names:
            asked.append(one_of(column, known_names[column], dialect))
        elif part is not None:
            asked.append(holds(folded_column, part, dialect))
    if not sees_all(query):
        asked.append(_visible(query, dialect, of))
    return asked


def of_kind(
    query: ListQuery, table: Table, of: Callable[[Column[Any]], ColumnElement[Any]] = lambda column: column
) -> list[ColumnElement[bool]]:
    """What the filter asks of the columns by which jobs are tallied, of either table."""
    asked: list[ColumnElement[bool]] = []
    if not query.include_deleted:
        asked.append(of(table.c.hidden) == 0)
    if query.type is not None:
        asked.append(of(table.c.type) == query.type.value)
    if query.phase is not None:
        asked.append(of(table.c.phase) == query.phase.value)
    if query.cluster_id is not None:
        asked.append(of(table.c.cluster_id) == storable(query.cluster_id))
    return asked


def unindexed(column: Column[Any], dialect: str) -> ColumnElement[Any]:
    """The column, but not its index: to SQLite one behind a plus sign has none. PostgreSQL is left to decide."""
    return column if dialect == "postgresql" else UnaryExpression(column, operator=_PLUS)


def _usable_indexes(query: ListQuery) -> AbstractSet[Column[Any]]:
    """The columns whose index is worth using.

    PostgreSQL knows by its statistics. SQLite has none of ranges: it would sort a hundred thousand rows rather than
    walk an index, and look up half of them one by one rather than read them all in the order they lie in.
    """
    if query.node is not None:
        return set()
    if reads_rows(query):
        return {listing.c.created_ms, listing.c.workspace_id, listing.c.user_id}
    return set(listing.c)


def sees_all(query: ListQuery) -> bool:
    return asked_types(query) <= query.visible.everywhere


def asked_types(query: ListQuery) -> AbstractSet[JobType]:
    return {query.type} if query.type else set(JobType)


def holds(column: ColumnElement[str], text: str, dialect: str) -> ColumnElement[bool]:
    """Substring, found without LIKE: nothing in the text has a meaning of its own, and its length has no limit."""
    position = func.strpos if dialect == "postgresql" else func.instr
    return position(column, folded(text)) > 0


def one_of(column: ColumnElement[str], texts: Sequence[str], dialect: str) -> ColumnElement[bool]:
    """As one parameter. PostgreSQL sees an array's values, and so expects the right number of rows."""
    if dialect == "postgresql":
        return column == any_(cast(list(texts), ARRAY(Text)))
    return column.in_(among(texts, dialect))


def among(texts: Sequence[str], dialect: str) -> Select[Any]:
    """The texts as rows: hundreds of them as one parameter, where a list would be hundreds in each of its places."""
    listed = cast(json.dumps(texts), Text)
    if dialect == "postgresql":
        return select(func.json_array_elements_text(cast(listed, JSON)).table_valued("value").c.value)
    return select(func.json_each(listed).table_valued("value").c.value)


def scopes(query: ListQuery) -> list[str]:
    """The (type, workspace) pairs in which the caller sees every job, of types that they do not see everywhere."""
    asked, visible = asked_types(query), query.visible
    return sorted(scope(*pair) for pair in visible.workspaces if pair[0] in asked - visible.everywhere)


def _visible(query: ListQuery, dialect: str, of: Callable[[Column[Any]], ColumnElement[Any]]) -> ColumnElement[bool]:
    here: list[ColumnElement[bool]] = [of(listing.c.user_id) == storable(query.visible.user_id)]
    if seen := scopes(query):
        here.append(of(listing.c.scope).in_(among(seen, dialect)))
    visible_here = and_(of(listing.c.cluster_id) == storable(query.visible.cluster_id), or_(*here))
    if everywhere := sorted(asked_types(query) & query.visible.everywhere):
        return or_(of(listing.c.type).in_(everywhere), visible_here)
    return visible_here
