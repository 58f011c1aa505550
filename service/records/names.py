"""Substrings are looked for in distinct names, and the jobs of those that hold one are found along an index.

Names are few where callers use them again, and far narrower than jobs in any case. Which hold a text of three
characters or more is found by trigrams: always on SQLite, and on PostgreSQL where pg_trgm could be created.
"""

from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, Table, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.list_query import ListQuery
from service.records.filters import holds
from service.records.rows import folded
from service.records.tables import job_names, listing, user_names

#: Of more names than this each job is looked at.
MANY = 2_000
#: So long a beginning of a text is looked up among trigrams, which have at least three characters.
_LOOKED_UP, _TRIGRAM = 64, 3


@dataclass(frozen=True, slots=True)
class Named:
    """The names that hold a text, and how many jobs of any time, hidden or not, have one of them."""

    table: Table
    text: str
    names: tuple[str, ...]
    jobs: int

    @property
    def column(self) -> Column[str]:
        """What holds these names in `listing`."""
        return listing.c.job_name if self.table is job_names else listing.c.user_name


async def named(connection: AsyncConnection, query: ListQuery) -> Named | None:
    """The rarer of the names that the query asks for; None: it asks for none, or too many hold what it asks for."""
    asked = ((job_names, query.job_name), (user_names, query.user_name))
    found = [await _holding(connection, table, part) for table, part in asked if part is not None]
    return min((one for one in found if one is not None), key=lambda one: one.jobs, default=None)


async def others(connection: AsyncConnection, found: Named) -> tuple[str, ...] | None:
    """The names that do not hold the text; None: they are too many."""
    holding = holds(found.table.c.folded, found.text, connection.dialect.name)
    rest = await connection.scalars(select(found.table.c.name).where(~holding).limit(MANY + 1))
    names = tuple(rest.all())
    return None if len(names) > MANY else names


async def _holding(connection: AsyncConnection, table: Table, part: str) -> Named | None:
    dialect = connection.dialect.name
    columns = (table.c.name, table.c.folded, table.c.jobs)
    # Of a name that is too long to be kept folded it is not known what it holds.
    unknown = select(*columns).where(table.c.folded == literal("", literal_execute=True)).limit(1)
    if (await connection.execute(unknown)).first():
        return None
    matching = select(*columns).where(*_by_trigrams(table, part, dialect), holds(table.c.folded, part, dialect))
    rows = (await connection.execute(matching.limit(MANY + 1))).all()
    if len(rows) > MANY:
        return None
    return Named(table, part, tuple(row.name for row in rows), sum(row.jobs for row in rows))


def _by_trigrams(table: Table, part: str, dialect: str) -> list[ColumnElement[bool]]:
    """What an index can serve of the condition that a name holds the text."""
    beginning = folded(part)[:_LOOKED_UP]
    if table is not job_names or len(beginning) < _TRIGRAM:
        return []
    if dialect == "postgresql":
        return [table.c.folded.contains(beginning, autoescape=True)]
    phrase = '"' + beginning.replace('"', '""') + '"'
    rows = text("SELECT rowid FROM job_names_trigrams WHERE job_names_trigrams MATCH :phrase")
    return [table.c.id.in_(rows.bindparams(phrase=phrase).columns(table.c.id))]
