"""Idempotency keys as SQL. A key is kept 24 h; one that was neither completed nor given back is free after a minute."""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Delete, Row, Select, Update, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from service.jobs.ports import Claim, IdempotencyKey
from service.records.rows import milliseconds
from service.records.tables import idempotency_keys as keys

KEPT = timedelta(hours=24)
ABANDONED = timedelta(seconds=60)


async def claim(connection: AsyncConnection, key: IdempotencyKey, now: datetime) -> Claim:
    """Contract: Idempotency-Key."""
    await connection.execute(_expired(now))
    while True:
        claimed = await connection.execute(_insert(connection)(keys).values(_row(key, now)).on_conflict_do_nothing())
        if claimed.rowcount:
            return Claim()
        if held := (await connection.execute(_held(key))).one_or_none():
            return await _shared(connection, held, key, now)
        # The request that held it gave it back in between.


async def _shared(connection: AsyncConnection, held: Row[Any], key: IdempotencyKey, now: datetime) -> Claim:
    """What a key means that another request claimed before."""
    if held.job_id is None and held.claimed_ms <= milliseconds(now - ABANDONED):
        await connection.execute(_taken_over(key, now))
        return Claim()
    if held.fingerprint != key.fingerprint:
        return Claim(other_body=True)
    return Claim(in_flight=True) if held.job_id is None else Claim(job_id=held.job_id)


async def complete(connection: AsyncConnection, key: IdempotencyKey, job_id: str, now: datetime) -> bool:
    """Bind the key to its job; False where another request has completed it or holds it for another body."""
    ours = _insert(connection)(keys).values(_row(key, now) | {"job_id": job_id})
    completed = await connection.execute(
        ours.on_conflict_do_update(
            index_elements=[keys.c.id],
            set_={"job_id": job_id},
            where=keys.c.job_id.is_(None) & (keys.c.fingerprint == key.fingerprint),
        )
    )
    return bool(completed.rowcount)


def released(key: IdempotencyKey) -> Delete:
    return delete(keys).where(keys.c.id == _id(key), keys.c.fingerprint == key.fingerprint, keys.c.job_id.is_(None))


def _expired(now: datetime) -> Delete:
    return delete(keys).where(keys.c.claimed_ms <= milliseconds(now - KEPT))


def _held(key: IdempotencyKey) -> Select[Any]:
    # Locked: two requests may find the same abandoned claim.
    return select(keys).where(keys.c.id == _id(key)).with_for_update()


def _taken_over(key: IdempotencyKey, now: datetime) -> Update:
    return update(keys).where(keys.c.id == _id(key)).values(_row(key, now))


def _insert(connection: AsyncConnection) -> Any:
    """Both dialects speak the same ON CONFLICT, each through its own construct."""
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert


def _row(key: IdempotencyKey, now: datetime) -> dict[str, Any]:
    return {"id": _id(key), "fingerprint": key.fingerprint, "job_id": None, "claimed_ms": milliseconds(now)}


def _id(key: IdempotencyKey) -> str:
    # The length in front keeps ("a", "bc") and ("ab", "c") apart.
    return sha256(f"{len(key.user_id)}:{key.user_id}{key.key}".encode("utf-8", "surrogatepass")).hexdigest()
