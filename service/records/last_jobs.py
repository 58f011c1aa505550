"""What happened last on nodes: many nodes at a time, none with a query of its own."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import ScalarSelect, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.job import JobType, NodePhase
from service.domain.node_list import LastJobs, Work
from service.records.filters import among, unindexed
from service.records.rows import storable
from service.records.tables import jobs, listing, planned_nodes, planned_preflights

#: Records that are read at a time: each may have a plan of thousands of nodes.
_AT_ONCE = 20


async def last_jobs(connection: AsyncConnection, cluster_id: str, names: Sequence[str]) -> Mapping[str, LastJobs]:
    """By node; without jobs that were deleted from the list."""
    dialect = connection.dialect.name
    asked = among(sorted(map(storable, names)), dialect).subquery()
    node = asked.c[0]

    def latest(table: Table) -> ScalarSelect[Any]:
        here = (listing.c.created_ms == table.c.created_ms) & (listing.c.job_id == table.c.job_id)
        found = (
            select(table.c.job_id)
            .join(listing, here)
            .where(table.c.node == node, unindexed(listing.c.hidden, dialect) == 0)
            .where(unindexed(listing.c.cluster_id, dialect) == storable(cluster_id))
        )
        return (
            found.order_by(table.c.created_ms.desc(), table.c.job_id.desc()).limit(1).correlate(asked).scalar_subquery()
        )

    rows = await connection.execute(select(node, latest(planned_nodes), latest(planned_preflights)))
    return {name: LastJobs(job or "", preflight or "") for name, job, preflight in rows}


async def works(connection: AsyncConnection, job_ids: Collection[str], names: Collection[str]) -> Mapping[str, Work]:
    """Of each of the jobs what is shown beside these nodes."""
    found: dict[str, Work] = {}
    wanted = frozenset(names)
    ordered = sorted(job_ids)
    for begin in range(0, len(ordered), _AT_ONCE):
        ids = ordered[begin : begin + _AT_ONCE]
        those = select(jobs.c.job_id, jobs.c.body).where(jobs.c.job_id.in_(among(ids, connection.dialect.name)))
        for job_id, body in await connection.execute(those):
            found[job_id] = _work(from_json(body), wanted)
    return found


def _work(record: Mapping[str, Any], names: Collection[str]) -> Work:
    nodes = {
        node["name"]: (NodePhase(node["phase"]), _moment(node["end"] or node["start"] or record["created"]))
        for node in record["plan"]["nodes"]
        if node["name"] in names
    }
    of = {key: record[key] for key in ("job_id", "cluster_id", "workspace_id", "user_id")}
    return Work(type=JobType(record["type"]), nodes=nodes, **of)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
