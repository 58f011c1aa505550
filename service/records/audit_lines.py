"""What callers did, as SQL."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.audit_line import AuditLine, AuditQuery, Outcome
from service.domain.job import rfc3339
from service.domain.list_query import Page
from service.records.filters import holds
from service.records.rows import folded, milliseconds, storable
from service.records.tables import audit_lines, listing, planned_nodes

#: Lines that are dropped at a time, so that it never holds up a writer for long.
BATCH = 1_000
#: Of what was refused, or failed, the newest so many are kept: some 50 MB.
MOST_NOT_DONE = 100_000


async def write(connection: AsyncConnection, lines: Iterable[AuditLine]) -> None:
    rows = [_row(line) for line in lines]
    if rows:
        await connection.execute(insert(audit_lines), rows)


async def page(connection: AsyncConnection, query: AuditQuery) -> Page:
    """One page. The connection must see one state of the store throughout."""
    asked = _conditions(query, connection.dialect.name)
    total = await connection.scalar(select(func.count()).select_from(audit_lines).where(*asked)) or 0
    if query.offset >= total:
        return Page(total, [])
    columns = (audit_lines.c.at_ms, audit_lines.c.id)
    order = [column.desc() if query.descending else column.asc() for column in columns]
    found = select(audit_lines.c.item).where(*asked).order_by(*order).limit(query.limit).offset(query.offset)
    return Page(total, [item.encode() for item in await connection.scalars(found)])


async def drop_batch(connection: AsyncConnection, cluster_id: str, before: datetime) -> int:
    """Drop some of that cluster's lines from before, and of what was not done beyond the newest; returns how many."""
    own = audit_lines.c.cluster_id == storable(cluster_id)
    old = select(audit_lines.c.id).where(own, audit_lines.c.at_ms < milliseconds(before)).limit(BATCH)
    dropped = (await connection.execute(delete(audit_lines).where(audit_lines.c.id.in_(old)))).rowcount
    not_done = audit_lines.c.outcome.in_([Outcome.REFUSED.value, Outcome.FAILED.value])
    many = await connection.scalar(select(func.count()).select_from(audit_lines).where(own, not_done)) or 0
    if many > MOST_NOT_DONE:
        over = min(many - MOST_NOT_DONE, BATCH)
        oldest = select(audit_lines.c.id).where(own, not_done).order_by(audit_lines.c.at_ms, audit_lines.c.id)
        excess = delete(audit_lines).where(audit_lines.c.id.in_(oldest.limit(over)))
        dropped += (await connection.execute(excess)).rowcount
    return dropped


def _conditions(query: AuditQuery, dialect: str) -> Sequence[ColumnElement[bool]]:
    """Whatever cluster is asked for, lines of others are not shown: a right to them would have to be asked there."""
    table = audit_lines.c
    equal = {
        table.workspace_id: query.workspace_id,
        table.cluster_id: query.cluster_id,
        table.job_id: query.job_id,
        table.type: query.type,
        table.action: query.action,
        table.outcome: query.outcome,
    }
    asked: list[ColumnElement[bool]] = [
        table.cluster_id == storable(query.here),
        table.at_ms.between(milliseconds(query.since), milliseconds(query.until)),
    ]
    asked += [column == storable(str(value)) for column, value in equal.items() if value is not None]
    if query.user_name is not None:
        asked.append(holds(table.user_name_folded, query.user_name, dialect))
    if query.job_name is not None:
        asked.append(holds(table.job_name_folded, query.job_name, dialect))
    if query.node is not None:
        # A line may be about an id that is another cluster's job: where that is planned is not for here.
        same = listing.c.job_id == planned_nodes.c.job_id
        here = listing.c.cluster_id == storable(query.here)
        planned = select(planned_nodes.c.job_id).join(listing, same)
        asked.append(table.job_id.in_(planned.where(planned_nodes.c.node == storable(query.node), here)))
    return asked


def _row(line: AuditLine) -> dict[str, Any]:
    return {
        "at_ms": milliseconds(line.at),
        "cluster_id": storable(line.cluster_id),
        "outcome": line.outcome.value,
        "action": line.action.value,
        "type": storable(line.type),
        "job_id": storable(line.job_id),
        "workspace_id": storable(line.workspace_id),
        "user_name_folded": folded(line.user_name),
        "job_name_folded": folded(line.job_name),
        "item": json.dumps(_item(line), separators=(",", ":")),
    }


def _item(line: AuditLine) -> dict[str, Any]:
    """As service.api.responses.AuditItem describes it. Escaped to ASCII: no text in it is half a character."""
    return {
        "time": rfc3339(line.at),
        "userId": line.user_id,
        "userName": line.user_name,
        "groups": list(line.groups),
        "source": line.source,
        "action": line.action.value,
        "outcome": line.outcome.value,
        "status": line.status,
        "count": line.count,
        "clusterId": line.cluster_id,
        "jobId": line.job_id,
        "jobName": line.job_name,
        "type": line.type,
        "workspaceId": line.workspace_id,
        "nodes": line.nodes,
        "requestId": line.request_id,
    }
