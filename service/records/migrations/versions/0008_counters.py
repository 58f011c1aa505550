"""What has ended so far, counted for monitoring; it begins with nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Filled by the service, and not by triggers: the leader alone ends jobs, and what ends a job's record knows."""
    op.create_table(
        "counters",
        sa.Column("cluster_id", PLAIN_TEXT, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cluster_id", "name", "type", "detail"),
        sqlite_with_rowid=False,
    )
