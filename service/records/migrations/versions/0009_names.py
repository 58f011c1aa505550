"""Distinct names with how many jobs have each, and how many jobs are planned on a node, by day.

So a substring is looked for in names and no longer in jobs, and the jobs of a node are added up and not counted.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import DBAPIError

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

#: The table of names, and the column of `listing` that it is of, in the order in which a change locks them.
NAMES = {"job_names": "job_name", "user_names": "user_name"}

#: `listing` holds so many characters of a name: of longer ones two may differ behind these, so neither is kept folded.
NAMED = """
    INSERT INTO {table} (name, folded, jobs)
    VALUES (NEW.{column}, CASE WHEN length(NEW.{column}) < 500 THEN NEW.{column}_folded ELSE '' END, 1)
    ON CONFLICT (name) DO UPDATE SET jobs = {table}.jobs + 1;
"""
UNNAMED = """
    UPDATE {table} SET jobs = jobs - 1 WHERE name = OLD.{column};
    DELETE FROM {table} WHERE name = OLD.{column} AND jobs = 0;
"""
FILL_NAMES = """
    INSERT INTO {table} (name, folded, jobs)
    SELECT {column}, CASE WHEN length({column}) < 500 THEN min({column}_folded) ELSE '' END, count(*)
    FROM listing GROUP BY {column}
"""

#: The nodes of the plan of a record, each once.
PLANNED = {
    "sqlite": "SELECT DISTINCT json_extract(value, '$.name') AS node FROM json_each({body}, '$.plan.nodes')",
    # PostgreSQL's text has no NUL, not even as an escape in JSON.
    "postgresql": r"""
        SELECT DISTINCT (value ->> 'name') COLLATE "C" AS node
        FROM json_array_elements(replace({body}, '\u0000', '\ufffd')::json -> 'plan' -> 'nodes')
    """,
}
BODY = "(SELECT body FROM jobs WHERE jobs.job_id = NEW.job_id)"
# Always in the order of the nodes, so that no two changes wait for each other for good.
MORE = """
    INSERT INTO node_tallies (node, day, hidden, jobs)
    SELECT node, NEW.created_ms / 86400000, NEW.hidden, 1 FROM ({planned}) AS planned WHERE true ORDER BY node
    ON CONFLICT (node, day, hidden) DO UPDATE SET jobs = node_tallies.jobs + 1;
"""
# No row goes down in place here: on PostgreSQL an UPDATE would lock rows in any order.
LESS = """
    INSERT INTO node_tallies (node, day, hidden, jobs)
    SELECT node, OLD.created_ms / 86400000, OLD.hidden, 0 FROM ({planned}) AS planned WHERE true ORDER BY node
    ON CONFLICT (node, day, hidden) DO UPDATE SET jobs = node_tallies.jobs - 1;
"""
# Before the row of `listing` goes, which says whether the job is hidden. Who drops records has locked these rows.
DROPPED = """
    UPDATE node_tallies SET jobs = jobs - 1
    WHERE day = OLD.created_ms / 86400000 AND node IN ({planned}) AND hidden = (
      SELECT hidden FROM listing WHERE listing.created_ms = OLD.created_ms AND listing.job_id = OLD.job_id
    );
    DELETE FROM node_tallies WHERE day = OLD.created_ms / 86400000 AND node IN ({planned}) AND jobs = 0;
"""
# The few hidden jobs apart: all others are counted without looking each of them up, while writers wait.
FILL_NODES = (
    """
    INSERT INTO node_tallies (node, day, hidden, jobs)
    SELECT node, created_ms / 86400000, 0, count(*) FROM planned_nodes GROUP BY 1, 2
    """,
    """
    INSERT INTO node_tallies (node, day, hidden, jobs)
    SELECT planned_nodes.node, planned_nodes.created_ms / 86400000, 1, count(*)
    FROM planned_nodes WHERE job_id IN (SELECT job_id FROM listing WHERE hidden = 1) GROUP BY 1, 2
    """,
    """
    UPDATE node_tallies SET jobs = jobs - (
      SELECT jobs FROM node_tallies AS gone
      WHERE gone.node = node_tallies.node AND gone.day = node_tallies.day AND gone.hidden = 1
    )
    WHERE hidden = 0 AND EXISTS (
      SELECT 1 FROM node_tallies AS gone
      WHERE gone.node = node_tallies.node AND gone.day = node_tallies.day AND gone.hidden = 1
    )
    """,
)


def upgrade() -> None:
    """Triggers, and not the service: a replica of the release before still writes while this one begins to read."""
    dialect = op.get_bind().dialect.name
    for table in NAMES:
        _make_names(table)
    op.create_table(
        "node_tallies",
        sa.Column("node", PLAIN_TEXT, nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hidden", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node", "day", "hidden"),
        sqlite_with_rowid=False,
    )
    planned, of_dropped = PLANNED[dialect].format(body=BODY), PLANNED[dialect].format(body="OLD.body")
    # PostgreSQL runs them in the order of their names, and what they lock has to be locked in one order.
    _trigger(dialect, "names_insert", "AFTER INSERT ON listing", _for_names(NAMED))
    _trigger(dialect, "names_delete", "AFTER DELETE ON listing", _for_names(UNNAMED))
    _trigger(dialect, "node_tally_insert", "AFTER INSERT ON listing", MORE.format(planned=planned))
    hide = (LESS + MORE).format(planned=planned)
    if_hidden = "WHEN (OLD.hidden <> NEW.hidden)"
    _trigger(dialect, "node_tally_update", "AFTER UPDATE OF hidden ON listing", hide, if_hidden)
    _trigger(dialect, "node_tally_delete", "BEFORE DELETE ON jobs", DROPPED.format(planned=of_dropped))
    # After the triggers: on PostgreSQL their creation has waited for every writer, and keeps others away.
    for table, column in NAMES.items():
        op.execute(FILL_NAMES.format(table=table, column=column))
    for statement in FILL_NODES:
        op.execute(statement)
    _index_trigrams(dialect)


def _make_names(table: str) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", PLAIN_TEXT, nullable=False),
        sa.Column("folded", PLAIN_TEXT, nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(f"{table}_by_name", table, ["name"], unique=True)
    unfolded = sa.text("folded = ''")
    op.create_index(f"{table}_unfolded", table, ["folded"], sqlite_where=unfolded, postgresql_where=unfolded)


def _for_names(statements: str) -> str:
    return "".join(statements.format(table=table, column=column) for table, column in NAMES.items())


def _index_trigrams(dialect: str) -> None:
    """What finds a substring of three characters or more in job names, of which there may be as many as jobs."""
    if dialect == "sqlite":
        fts = "fts5(folded, content='job_names', content_rowid='id', tokenize='trigram case_sensitive 1')"
        op.execute(f"CREATE VIRTUAL TABLE job_names_trigrams USING {fts}")
        op.execute("INSERT INTO job_names_trigrams (job_names_trigrams) VALUES ('rebuild')")
        more = "INSERT INTO job_names_trigrams (rowid, folded) VALUES (NEW.id, NEW.folded);"
        less = (
            "INSERT INTO job_names_trigrams (job_names_trigrams, rowid, folded) VALUES ('delete', OLD.id, OLD.folded);"
        )
        _trigger(dialect, "trigrams_insert", "AFTER INSERT ON job_names", more)
        _trigger(dialect, "trigrams_delete", "AFTER DELETE ON job_names", less)
        return
    try:
        with op.get_bind().begin_nested():
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            op.execute("CREATE INDEX job_names_trigrams ON job_names USING gin (folded gin_trgm_ops)")
    except DBAPIError:
        # Not installed, or not for this user to create: the names are read one after another.
        return


def _trigger(dialect: str, name: str, event: str, statements: str, when: str = "") -> None:
    if dialect == "postgresql":
        returned = "OLD" if event.startswith("BEFORE DELETE") else "NULL"
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {statements} RETURN {returned}; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} {event} FOR EACH ROW {when} EXECUTE FUNCTION {name}()")
    else:
        op.execute(f"CREATE TRIGGER {name} {event} FOR EACH ROW {when} BEGIN {statements} END")
