"""Notifications that wait, as SQL."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.notification import Message, Notification
from service.jobs.notification_queue import KEPT, MOST_WAITING, REMEMBERED, Backlog, Queued
from service.records.rows import milliseconds, storable
from service.records.tables import notifications, receivers

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_message = TypeAdapter(Message)


async def enqueue(connection: AsyncConnection, cluster_id: str, found: Iterable[Notification], now: datetime) -> None:
    rows = [_row(cluster_id, one, now) for one in found]
    if rows:
        added = _insert(connection)(notifications).values(rows)
        await connection.execute(added.on_conflict_do_nothing())


async def next_due(connection: AsyncConnection, cluster_id: str, receiver: str, now: datetime) -> Queued | None:
    table = notifications.c
    older = notifications.alias("older")
    blocked = (
        select(older.c.id)
        .where(older.c.job_id == table.job_id, older.c.receiver == table.receiver)
        .where(older.c.cluster_id == table.cluster_id, older.c.waiting == 1, older.c.id < table.id)
        .exists()
    )
    oldest = (
        select(table.id, table.occasion, table.job_id, table.tries, table.created_ms, table.body)
        .where(*_of(cluster_id, receiver), table.waiting == 1, table.due_ms <= milliseconds(now), ~blocked)
        # What failed comes after what is due since: no message that is never taken holds up others for ever.
        .order_by(table.due_ms, table.id)
        .limit(1)
    )
    row = (await connection.execute(oldest)).one_or_none()
    if row is None:
        return None
    # Of what it is, and not of its number: a store that was restored gives numbers again.
    parts = (cluster_id, receiver, row.job_id, row.occasion, str(row.created_ms))
    key = sha256("\n".join(map(storable, parts)).encode()).hexdigest()[:32]
    return Queued(row.id, f"msg_{key}", row.tries, _moment(row.created_ms), _message.validate_json(row.body))


async def settle(connection: AsyncConnection, number: int) -> None:
    await connection.execute(update(notifications).where(notifications.c.id == number).values(waiting=0))


async def postpone(connection: AsyncConnection, number: int, due: datetime) -> None:
    later = {"tries": notifications.c.tries + 1, "due_ms": milliseconds(due)}
    await connection.execute(update(notifications).where(notifications.c.id == number).values(later))


async def drop(
    connection: AsyncConnection, cluster_id: str, known: Collection[str], now: datetime
) -> Mapping[str, int]:
    """As the port's drop_notifications says."""
    table = notifications.c
    own = table.cluster_id == storable(cluster_id)
    await connection.execute(delete(notifications).where(own, table.receiver.not_in(list(known))))
    told = table.created_ms < milliseconds(now - REMEMBERED)
    await connection.execute(delete(notifications).where(own, table.waiting == 0, told))
    return {name: given_up for name in known if (given_up := await _give_up(connection, cluster_id, name, now))}


async def _give_up(connection: AsyncConnection, cluster_id: str, receiver: str, now: datetime) -> int:
    table = notifications.c
    waiting = [*_of(cluster_id, receiver), table.waiting == 1]
    beyond = select(table.id).where(*waiting).order_by(table.id.desc()).offset(MOST_WAITING).limit(1)
    last = await connection.scalar(beyond) or -1
    too_old = table.created_ms < milliseconds(now - KEPT)
    given_up = update(notifications).where(*waiting, too_old | (table.id <= last)).values(waiting=0)
    return int((await connection.execute(given_up)).rowcount)


async def backlogs(connection: AsyncConnection, cluster_id: str) -> Mapping[str, Backlog]:
    table = notifications.c
    found = select(table.receiver, func.count(), func.min(table.created_ms), func.max(table.tries))
    own = table.cluster_id == storable(cluster_id)
    rows = await connection.execute(found.where(own, table.waiting == 1).group_by(table.receiver))
    return {name: Backlog(count, _moment(oldest), tries) for name, count, oldest, tries in rows}


async def gone(connection: AsyncConnection, cluster_id: str) -> Mapping[str, str]:
    table = receivers.c
    own = table.cluster_id == storable(cluster_id)
    rows = await connection.execute(select(table.receiver, table.gone_address).where(own))
    return {row.receiver: row.gone_address for row in rows}


async def note_gone(connection: AsyncConnection, cluster_id: str, receiver: str, address: str) -> None:
    row = {"cluster_id": storable(cluster_id), "receiver": receiver, "gone_address": address}
    key = [receivers.c.cluster_id, receivers.c.receiver]
    noted = _insert(connection)(receivers).values(row)
    await connection.execute(noted.on_conflict_do_update(index_elements=key, set_={"gone_address": address}))


def _of(cluster_id: str, receiver: str) -> tuple[ColumnElement[bool], ...]:
    return notifications.c.cluster_id == storable(cluster_id), notifications.c.receiver == receiver


def _row(cluster_id: str, one: Notification, now: datetime) -> dict[str, Any]:
    return {
        "cluster_id": storable(cluster_id),
        "receiver": one.receiver,
        "job_id": one.message.job_id,
        "occasion": storable(one.occasion),
        "created_ms": milliseconds(now),
        "tries": 0,
        "due_ms": milliseconds(now),
        "waiting": 1,
        "body": storable(_message.dump_json(one.message).decode()),
    }


def _moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def _insert(connection: AsyncConnection) -> Any:
    """Both dialects speak the same ON CONFLICT, each through its own construct."""
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
