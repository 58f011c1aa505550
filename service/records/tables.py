"""The tables of the record store, the same on PostgreSQL and SQLite.

`jobs` holds the whole record and the list item as it is answered, both rendered at write time. `listing` holds only
what a list filters and sorts by: narrow, and on SQLite kept in the order of creation time, so that counting and paging
never read the wide table. One index per sort field carries all that a list without further filters needs (id, creation
time, hidden), and serves the filter on that field too.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from service.domain.list_query import SortField

#: PostgreSQL would compare by the database's language; byte order is the same everywhere and what SQLite does.
PLAIN_TEXT = Text().with_variant(Text(collation="C"), "postgresql")
#: SQLite counts up only what it calls INTEGER.
COUNTED = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", PLAIN_TEXT, primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    Column("workflow_gone", SmallInteger, nullable=False),
    # Asks for something in the cluster that was not seen done.
    Column("unsettled", SmallInteger, nullable=False),
    Column("item", Text, nullable=False),
    Column("body", Text, nullable=False),
)
Index("jobs_by_workflow_gone", jobs.c.workflow_gone, jobs.c.created_ms, jobs.c.job_id)
Index("jobs_by_unsettled", jobs.c.unsettled, jobs.c.created_ms, jobs.c.job_id)
Index("jobs_by_end", jobs.c.ended_ms)

listing = Table(
    "listing",
    metadata,
    # PostgreSQL finds numbers in a row at once and texts one after another: what is searched comes first of them.
    Column("created_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, nullable=False),
    Column("deletion_ms", BigInteger, nullable=False),
    Column("timeout_second", BigInteger, nullable=False),
    Column("hidden", SmallInteger, nullable=False),
    Column("user_name_folded", PLAIN_TEXT, nullable=False),
    Column("job_name_folded", PLAIN_TEXT, nullable=False),
    Column("scope", PLAIN_TEXT, nullable=False),
    Column("user_id", PLAIN_TEXT, nullable=False),
    Column("type", PLAIN_TEXT, nullable=False),
    Column("phase", PLAIN_TEXT, nullable=False),
    Column("workspace_id", PLAIN_TEXT, nullable=False),
    Column("cluster_id", PLAIN_TEXT, nullable=False),
    Column("job_id", PLAIN_TEXT, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    Column("user_name", PLAIN_TEXT, nullable=False),
    Column("job_name", PLAIN_TEXT, nullable=False),
    sqlite_with_rowid=False,
)

SORT_COLUMNS = {
    SortField.JOB_ID: listing.c.job_id,
    SortField.JOB_NAME: listing.c.job_name,
    SortField.CLUSTER_ID: listing.c.cluster_id,
    SortField.WORKSPACE_ID: listing.c.workspace_id,
    SortField.USER_ID: listing.c.user_id,
    SortField.USER_NAME: listing.c.user_name,
    SortField.TYPE: listing.c.type,
    SortField.PHASE: listing.c.phase,
    SortField.CREATION_TIME: listing.c.created_ms,
    SortField.START_TIME: listing.c.started_ms,
    SortField.END_TIME: listing.c.ended_ms,
    SortField.DELETION_TIME: listing.c.deletion_ms,
    SortField.TIMEOUT_SECOND: listing.c.timeout_second,
}

for _column in SORT_COLUMNS.values():
    # dict.fromkeys: each column once, in this order, where the sort column is one of the others.
    _columns = dict.fromkeys((_column, listing.c.job_id, listing.c.created_ms, listing.c.hidden))
    Index(f"listing_by_{_column.name}", *_columns)

# What the members of a workspace see there.
Index("listing_by_scope_in_cluster", listing.c.scope, listing.c.cluster_id, listing.c.created_ms, listing.c.hidden)

# How many jobs there are, by the day of their creation (whole days since 1970) and what a list may narrow them to. Kept
# by triggers of the database (migration 0002).
tallies = Table(
    "tallies",
    metadata,
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("cluster_id", PLAIN_TEXT, primary_key=True),
    Column("type", PLAIN_TEXT, primary_key=True),
    Column("phase", PLAIN_TEXT, primary_key=True),
    Column("hidden", SmallInteger, primary_key=True),
    Column("jobs", BigInteger, nullable=False),
)

# What has ended so far, for monitoring (service.domain.ended_counts); never lowered.
counters = Table(
    "counters",
    metadata,
    Column("cluster_id", PLAIN_TEXT, primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("type", String(64), primary_key=True),
    Column("detail", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Which jobs are planned on a node, newest last. Kept by triggers of the database (migration 0005), which read the plan
# in the record: a plan's nodes never change. On SQLite it is its own index.
planned_nodes = Table(
    "planned_nodes",
    metadata,
    Column("node", PLAIN_TEXT, primary_key=True),
    Column("created_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("job_id", PLAIN_TEXT, primary_key=True),
    sqlite_with_rowid=False,
)

# How many jobs are planned on a node, by the day of their creation. Kept by triggers of the database (migration 0009).
node_tallies = Table(
    "node_tallies",
    metadata,
    Column("node", PLAIN_TEXT, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),
    Column("hidden", SmallInteger, primary_key=True, autoincrement=False),
    Column("jobs", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The same of preflights alone, of which the last one on a node is asked for (migration 0006).
planned_preflights = Table(
    "planned_preflights",
    metadata,
    Column("node", PLAIN_TEXT, primary_key=True),
    Column("created_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("job_id", PLAIN_TEXT, primary_key=True),
    sqlite_with_rowid=False,
)
Index("planned_preflights_by_job", planned_preflights.c.job_id)

# How often a record was changed; no row: never. Counted by a trigger of the database (migration 0006).
job_versions = Table(
    "job_versions",
    metadata,
    Column("job_id", PLAIN_TEXT, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Long texts, each once, and which jobs need them (service.records.texts). The content comes last: who looks for what is
# not needed any more does not read it.
texts = Table(
    "texts",
    metadata,
    # sha256 of the content.
    Column("hash", String(64), primary_key=True),
    # When a job was last accepted with it.
    Column("used_ms", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

job_texts = Table(
    "job_texts",
    metadata,
    Column("job_id", PLAIN_TEXT, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    Column("hash", String(64), primary_key=True),
)
Index("job_texts_by_hash", job_texts.c.hash)


def _names(table: str) -> Table:
    """The names in a column of `listing`, each once, with how many jobs have it.

    `folded` is empty where the name is longer than `listing` holds. The id is what SQLite's trigrams name a row by.
    """
    return Table(
        table,
        metadata,
        Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
        Column("name", PLAIN_TEXT, nullable=False),
        Column("folded", PLAIN_TEXT, nullable=False),
        Column("jobs", BigInteger, nullable=False),
        Index(f"{table}_by_name", "name", unique=True),
        Index(f"{table}_unfolded", "folded", sqlite_where=_UNFOLDED, postgresql_where=_UNFOLDED),
    )


# Kept by triggers of the database (migration 0009).
_UNFOLDED = text("folded = ''")
job_names, user_names = _names("job_names"), _names("user_names")

# What a store knows of itself. `retention` is `default` where it began with a version that drops old records unasked.
facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    # sha256 of user and key: of one size, whatever a caller sends.
    Column("id", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("job_id", Text, nullable=True),
    Column("claimed_ms", BigInteger, nullable=False),
)
Index("idempotency_keys_by_claim", idempotency_keys.c.claimed_ms)

# What callers did (service.records.audit_lines): the item as it is answered, and what a list of them filters by.
audit_lines = Table(
    "audit_lines",
    metadata,
    Column("id", COUNTED, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("cluster_id", PLAIN_TEXT, nullable=False),
    Column("outcome", PLAIN_TEXT, nullable=False),
    Column("action", PLAIN_TEXT, nullable=False),
    Column("type", PLAIN_TEXT, nullable=False),
    Column("job_id", PLAIN_TEXT, nullable=False),
    Column("workspace_id", PLAIN_TEXT, nullable=False),
    Column("user_name_folded", PLAIN_TEXT, nullable=False),
    Column("job_name_folded", PLAIN_TEXT, nullable=False),
    Column("item", Text, nullable=False),
)
Index("audit_lines_by_time", audit_lines.c.cluster_id, audit_lines.c.at_ms, audit_lines.c.id)
Index("audit_lines_by_outcome", audit_lines.c.cluster_id, audit_lines.c.outcome, audit_lines.c.at_ms)
Index("audit_lines_by_job", audit_lines.c.job_id, audit_lines.c.at_ms)

# What receivers are to be told, in the order in which it happened to each job: `waiting` 1 until it was delivered or
# given up, and 0 for a day afterwards, so that nothing is told twice.
notifications = Table(
    "notifications",
    metadata,
    Column("id", COUNTED, primary_key=True, autoincrement=True),
    Column("cluster_id", PLAIN_TEXT, nullable=False),
    Column("receiver", PLAIN_TEXT, nullable=False),
    Column("job_id", PLAIN_TEXT, nullable=False),
    # What it is about: the same is told once.
    Column("occasion", PLAIN_TEXT, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("tries", BigInteger, nullable=False),
    # Not to be tried before.
    Column("due_ms", BigInteger, nullable=False),
    Column("waiting", SmallInteger, nullable=False),
    Column("body", Text, nullable=False),
)
Index(
    "notifications_by_turn",
    notifications.c.cluster_id,
    notifications.c.receiver,
    notifications.c.waiting,
    notifications.c.id,
)
Index(
    "notifications_by_occasion",
    notifications.c.job_id,
    notifications.c.receiver,
    notifications.c.occasion,
    unique=True,
)

# Receivers that said that they are gone (410), by a hash of the address at which they said so.
receivers = Table(
    "receivers",
    metadata,
    Column("cluster_id", PLAIN_TEXT, primary_key=True),
    Column("receiver", PLAIN_TEXT, primary_key=True),
    Column("gone_address", String(64), nullable=False),
)
