"""Records, their list, and idempotency keys."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("claimed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("idempotency_keys_by_claim", "idempotency_keys", ["claimed_ms"])
    op.create_table(
        "jobs",
        sa.Column("job_id", PLAIN_TEXT, nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=False),
        sa.Column("workflow_gone", sa.SmallInteger(), nullable=False),
        sa.Column("unsettled", sa.SmallInteger(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index("jobs_by_end", "jobs", ["ended_ms"])
    op.create_index("jobs_by_unsettled", "jobs", ["unsettled", "created_ms", "job_id"])
    op.create_index("jobs_by_workflow_gone", "jobs", ["workflow_gone", "created_ms", "job_id"])
    op.create_table(
        "listing",
        sa.Column("created_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=False),
        sa.Column("deletion_ms", sa.BigInteger(), nullable=False),
        sa.Column("timeout_second", sa.BigInteger(), nullable=False),
        sa.Column("hidden", sa.SmallInteger(), nullable=False),
        sa.Column("user_name_folded", PLAIN_TEXT, nullable=False),
        sa.Column("job_name_folded", PLAIN_TEXT, nullable=False),
        sa.Column("scope", PLAIN_TEXT, nullable=False),
        sa.Column("user_id", PLAIN_TEXT, nullable=False),
        sa.Column("type", PLAIN_TEXT, nullable=False),
        sa.Column("phase", PLAIN_TEXT, nullable=False),
        sa.Column("workspace_id", PLAIN_TEXT, nullable=False),
        sa.Column("cluster_id", PLAIN_TEXT, nullable=False),
        sa.Column("job_id", PLAIN_TEXT, nullable=False),
        sa.Column("user_name", PLAIN_TEXT, nullable=False),
        sa.Column("job_name", PLAIN_TEXT, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("created_ms", "job_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("listing_by_cluster_id", "listing", ["cluster_id", "job_id", "created_ms", "hidden"])
    op.create_index("listing_by_created_ms", "listing", ["created_ms", "job_id", "hidden"])
    op.create_index("listing_by_deletion_ms", "listing", ["deletion_ms", "job_id", "created_ms", "hidden"])
    op.create_index("listing_by_ended_ms", "listing", ["ended_ms", "job_id", "created_ms", "hidden"])
    op.create_index("listing_by_job_id", "listing", ["job_id", "created_ms", "hidden"])
    op.create_index("listing_by_job_name", "listing", ["job_name", "job_id", "created_ms", "hidden"])
    op.create_index("listing_by_phase", "listing", ["phase", "job_id", "created_ms", "hidden"])
    op.create_index("listing_by_started_ms", "listing", ["started_ms", "job_id", "created_ms", "hidden"])
    op.create_index("listing_by_timeout_second", "listing", ["timeout_second", "job_id", "created_ms", "hidden"])
    op.create_index("listing_by_type", "listing", ["type", "job_id", "created_ms", "hidden"])
    op.create_index("listing_by_user_id", "listing", ["user_id", "job_id", "created_ms", "hidden"])
    op.create_index("listing_by_user_name", "listing", ["user_name", "job_id", "created_ms", "hidden"])
    op.create_index("listing_by_workspace_id", "listing", ["workspace_id", "job_id", "created_ms", "hidden"])
    if op.get_bind().dialect.name == "postgresql":
        # Counting reads indexes alone only where vacuum has passed: far more often than PostgreSQL's every fifth row.
        often = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02"
        op.execute(f"ALTER TABLE listing SET ({often})")
