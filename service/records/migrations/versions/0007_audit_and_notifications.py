"""What callers did, and what receivers of notifications are still to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
#: SQLite counts up only what it calls INTEGER.
COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit_lines",
        sa.Column("id", COUNTED, primary_key=True, autoincrement=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("cluster_id", PLAIN_TEXT, nullable=False),
        sa.Column("outcome", PLAIN_TEXT, nullable=False),
        sa.Column("action", PLAIN_TEXT, nullable=False),
        sa.Column("type", PLAIN_TEXT, nullable=False),
        sa.Column("job_id", PLAIN_TEXT, nullable=False),
        sa.Column("workspace_id", PLAIN_TEXT, nullable=False),
        sa.Column("user_name_folded", PLAIN_TEXT, nullable=False),
        sa.Column("job_name_folded", PLAIN_TEXT, nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
    )
    op.create_index("audit_lines_by_time", "audit_lines", ["cluster_id", "at_ms", "id"])
    op.create_index("audit_lines_by_outcome", "audit_lines", ["cluster_id", "outcome", "at_ms"])
    op.create_index("audit_lines_by_job", "audit_lines", ["job_id", "at_ms"])
    op.create_table(
        "notifications",
        sa.Column("id", COUNTED, primary_key=True, autoincrement=True),
        sa.Column("cluster_id", PLAIN_TEXT, nullable=False),
        sa.Column("receiver", PLAIN_TEXT, nullable=False),
        sa.Column("job_id", PLAIN_TEXT, nullable=False),
        sa.Column("occasion", PLAIN_TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("waiting", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_index("notifications_by_turn", "notifications", ["cluster_id", "receiver", "waiting", "id"])
    op.create_index("notifications_by_occasion", "notifications", ["job_id", "receiver", "occasion"], unique=True)
    op.create_table(
        "receivers",
        sa.Column("cluster_id", PLAIN_TEXT, nullable=False),
        sa.Column("receiver", PLAIN_TEXT, nullable=False),
        sa.Column("gone_address", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "receiver"),
    )
