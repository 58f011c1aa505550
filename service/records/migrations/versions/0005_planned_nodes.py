"""Which jobs are planned on a node: what happened to a machine is found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

ADDED = {
    "sqlite": """
        INSERT INTO planned_nodes (node, created_ms, job_id)
        SELECT json_extract(value, '$.name'), NEW.created_ms, NEW.job_id FROM json_each(NEW.body, '$.plan.nodes')
        WHERE true ON CONFLICT DO NOTHING;
    """,
    # PostgreSQL's text has no NUL, not even as an escape in JSON.
    "postgresql": r"""
        INSERT INTO planned_nodes (node, created_ms, job_id)
        SELECT value ->> 'name', NEW.created_ms, NEW.job_id
        FROM json_array_elements(replace(NEW.body, '\u0000', '\ufffd')::json -> 'plan' -> 'nodes')
        ON CONFLICT DO NOTHING;
    """,
}
DROPPED = {
    "sqlite": """
        DELETE FROM planned_nodes
        WHERE created_ms = OLD.created_ms AND job_id = OLD.job_id
          AND node IN (SELECT json_extract(value, '$.name') FROM json_each(OLD.body, '$.plan.nodes'));
    """,
    "postgresql": r"""
        DELETE FROM planned_nodes
        WHERE created_ms = OLD.created_ms AND job_id = OLD.job_id
          AND node IN (
            SELECT value ->> 'name'
            FROM json_array_elements(replace(OLD.body, '\u0000', '\ufffd')::json -> 'plan' -> 'nodes')
          );
    """,
}
FILL = {
    "sqlite": """
        INSERT INTO planned_nodes (node, created_ms, job_id)
        SELECT json_extract(value, '$.name'), jobs.created_ms, jobs.job_id
        FROM jobs CROSS JOIN json_each(jobs.body, '$.plan.nodes')
        WHERE jobs.created_ms >= :since ON CONFLICT DO NOTHING
    """,
    "postgresql": r"""
        INSERT INTO planned_nodes (node, created_ms, job_id)
        SELECT value ->> 'name', jobs.created_ms, jobs.job_id
        FROM jobs CROSS JOIN json_array_elements(replace(body, '\u0000', '\ufffd')::json -> 'plan' -> 'nodes')
        WHERE jobs.created_ms >= :since ON CONFLICT DO NOTHING
    """,
}
#: Records of so long before the newest one are filled in a second time, in milliseconds.
OVERLAP = 3_600_000


def upgrade() -> None:
    """Triggers, and not the service: a replica of the release before still writes while this one begins to read."""
    op.create_table(
        "planned_nodes",
        sa.Column("node", PLAIN_TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("job_id", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("node", "created_ms", "job_id"),
        sqlite_with_rowid=False,
    )
    database = op.get_bind()
    dialect = database.dialect.name
    fill = sa.text(FILL[dialect])
    # Before the triggers: on PostgreSQL their creation keeps writers away until the end of all this.
    database.execute(fill, {"since": 0})
    newest = database.scalar(sa.text("SELECT coalesce(max(created_ms), 0) FROM planned_nodes"))
    _trigger(dialect, "plan_insert", "INSERT", ADDED[dialect])
    _trigger(dialect, "plan_delete", "DELETE", DROPPED[dialect])
    database.execute(fill, {"since": newest - OVERLAP})


def _trigger(dialect: str, name: str, event: str, statement: str) -> None:
    if dialect == "postgresql":
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement} RETURN NULL; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON jobs FOR EACH ROW EXECUTE FUNCTION {name}()")
    else:
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON jobs BEGIN {statement} END")
