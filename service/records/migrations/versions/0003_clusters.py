"""The index of workspaces tells those of one cluster from those of another."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A replica of the release before still counts right without its index, if more slowly."""
    op.create_index("listing_by_scope_in_cluster", "listing", ["scope", "cluster_id", "created_ms", "hidden"])
    op.drop_index("listing_by_scope", "listing")
