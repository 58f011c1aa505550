"""A version of each record, which counts its changes, and which preflights are planned on a node.

A version stands in a table of its own: who follows jobs asks for many at a time, and reads no record for that.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

COUNTED = """
    INSERT INTO job_versions (job_id, version) VALUES (NEW.job_id, 1)
    ON CONFLICT (job_id) DO UPDATE SET version = job_versions.version + 1;
"""
#: Where PostgreSQL takes LISTEN (service.records.listening).
TOLD = "PERFORM pg_notify('opsjobs_changed', '');"

PLANNED = {
    "sqlite": """
        INSERT INTO planned_preflights (node, created_ms, job_id)
        SELECT json_extract(value, '$.name'), NEW.created_ms, NEW.job_id FROM json_each(NEW.body, '$.plan.nodes')
        WHERE json_extract(NEW.body, '$.type') = 'preflight' ON CONFLICT DO NOTHING;
    """,
    # PostgreSQL's text has no NUL, not even as an escape in JSON.
    "postgresql": r"""
        INSERT INTO planned_preflights (node, created_ms, job_id)
        SELECT value ->> 'name', NEW.created_ms, NEW.job_id
        FROM json_array_elements(replace(NEW.body, '\u0000', '\ufffd')::json -> 'plan' -> 'nodes')
        WHERE replace(NEW.body, '\u0000', '\ufffd')::json ->> 'type' = 'preflight' ON CONFLICT DO NOTHING;
    """,
}
DROPPED = "DELETE FROM planned_preflights WHERE created_ms = OLD.created_ms AND job_id = OLD.job_id;"
FILL = """
    INSERT INTO planned_preflights (node, created_ms, job_id)
    SELECT planned_nodes.node, planned_nodes.created_ms, planned_nodes.job_id
    FROM planned_nodes JOIN listing
      ON listing.created_ms = planned_nodes.created_ms AND listing.job_id = planned_nodes.job_id
    WHERE listing.type = 'preflight' AND planned_nodes.created_ms >= :since ON CONFLICT DO NOTHING
"""
#: Records of so long before the newest one are filled in a second time, in milliseconds.
OVERLAP = 3_600_000


def upgrade() -> None:
    """Triggers, and not the service: a replica of the release before still writes while this one begins to read."""
    job = sa.ForeignKey("jobs.job_id", ondelete="CASCADE")
    op.create_table(
        "job_versions",
        sa.Column("job_id", PLAIN_TEXT, job, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "planned_preflights",
        sa.Column("node", PLAIN_TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("job_id", PLAIN_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("node", "created_ms", "job_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("planned_preflights_by_job", "planned_preflights", ["job_id"])
    database = op.get_bind()
    dialect = database.dialect.name
    fill = sa.text(FILL)
    # Before the triggers: on PostgreSQL their creation keeps writers away until the end of all this.
    database.execute(fill, {"since": 0})
    newest = database.scalar(sa.text("SELECT coalesce(max(created_ms), 0) FROM planned_preflights"))
    _trigger(dialect, "version_update", "UPDATE OF body", COUNTED + (TOLD if dialect == "postgresql" else ""))
    _trigger(dialect, "preflight_insert", "INSERT", PLANNED[dialect])
    _trigger(dialect, "preflight_delete", "DELETE", DROPPED)
    database.execute(fill, {"since": newest - OVERLAP})


def _trigger(dialect: str, name: str, event: str, statement: str) -> None:
    if dialect == "postgresql":
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement} RETURN NULL; END $$"
        )
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON jobs FOR EACH ROW EXECUTE FUNCTION {name}()")
    else:
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON jobs BEGIN {statement} END")
