"""How many jobs there are of each kind, by day, and an index of workspaces: no list's total is counted job by job."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

MORE = """
    INSERT INTO tallies (day, cluster_id, type, phase, hidden, jobs)
    VALUES (NEW.created_ms / 86400000, NEW.cluster_id, NEW.type, NEW.phase, NEW.hidden, 1)
    ON CONFLICT (day, cluster_id, type, phase, hidden) DO UPDATE SET jobs = tallies.jobs + 1;
"""
LESS = """
    UPDATE tallies SET jobs = jobs - 1
    WHERE day = OLD.created_ms / 86400000 AND cluster_id = OLD.cluster_id
      AND type = OLD.type AND phase = OLD.phase AND hidden = OLD.hidden;
"""
# A change takes from the earlier state first. Phases and `hidden` never go back, so no two of them
# wait for each other for good.
EVENTS = {"INSERT": MORE, "UPDATE OF cluster_id, type, phase, hidden": LESS + MORE, "DELETE": LESS}


def upgrade() -> None:
    """Triggers, and not the service: a replica of the release before still writes while this one begins to read."""
    op.create_index("listing_by_scope", "listing", ["scope", "created_ms", "hidden"])
    op.create_table(
        "tallies",
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cluster_id", PLAIN_TEXT, nullable=False),
        sa.Column("type", PLAIN_TEXT, nullable=False),
        sa.Column("phase", PLAIN_TEXT, nullable=False),
        sa.Column("hidden", sa.SmallInteger(), nullable=False),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "cluster_id", "type", "phase", "hidden"),
    )
    postgresql = op.get_bind().dialect.name == "postgresql"
    for event, statements in EVENTS.items():
        name = f"tally_{event.split()[0].lower()}"
        if postgresql:
            op.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN {statements} RETURN NULL; END $$"
            )
            op.execute(f"CREATE TRIGGER {name} AFTER {event} ON listing FOR EACH ROW EXECUTE FUNCTION {name}()")
        else:
            op.execute(f"CREATE TRIGGER {name} AFTER {event} ON listing BEGIN {statements} END")
    # After the triggers: on PostgreSQL their creation has waited for every writer, and keeps others away.
    op.execute(
        "INSERT INTO tallies (day, cluster_id, type, phase, hidden, jobs) "
        "SELECT created_ms / 86400000, cluster_id, type, phase, hidden, count(*) FROM listing GROUP BY 1, 2, 3, 4, 5"
    )
