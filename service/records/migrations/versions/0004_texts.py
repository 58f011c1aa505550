"""Long texts once each, and what a store knows of itself."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Records that are there keep their texts until they change: a store of gigabytes is not rewritten."""
    op.create_table(
        "texts",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "job_texts",
        sa.Column("job_id", PLAIN_TEXT, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "hash"),
    )
    op.create_index("job_texts_by_hash", "job_texts", ["hash"])
    op.create_table(
        "facts",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    # A store in which nobody has kept anything yet takes the default of this version; what others keep is theirs.
    op.execute("INSERT INTO facts (name, value) SELECT 'retention', 'default' WHERE NOT EXISTS (SELECT 1 FROM jobs)")
