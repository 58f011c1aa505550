"""The long texts of jobs (scripts), each kept once: a record names it by its hash, and stays small.

So a script is not written anew whenever one of a thousand nodes changes, nor kept twice because a job runs twice.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from service.domain.job import Job
from service.records.rows import milliseconds
from service.records.tables import job_texts, texts

#: Shorter ones stay in the record; in characters.
LONG = 1024
#: What stands in a record for a text, and for the base64 of one: preflight's entryPoint is that of its script.
_TEXT, _BASE64 = "$text", "$base64"


def taken_out(job: Job) -> tuple[Job, dict[str, bytes]]:
    """The job with its long texts named by their hash, and these texts; those that are named already stay so."""
    found: dict[str, bytes] = {}

    def name(text: Any) -> Any:
        if not isinstance(text, str) or len(text) < LONG:
            return text
        content = text.encode("utf-8", "surrogatepass")
        hashed = sha256(content).hexdigest()
        found[hashed] = content
        return {_TEXT: hashed}

    files = {file: name(text) for file, text in (job.work.get("files") or {}).items()}
    script = job.options.get("entryPoint")
    encoded = {b64encode(content).decode(): hashed for hashed, content in found.items()} if script else {}
    short = {_BASE64: encoded[script]} if isinstance(script, str) and script in encoded else name(script)
    if not found:
        return job, found
    options = {**job.options, "entryPoint": short} if script else job.options
    return replace(job, work={**job.work, "files": files}, options=options), found


def put_back(job: Job, found: Mapping[str, bytes]) -> Job:
    """The job with the texts that its record names; one that is no longer kept is left out."""

    def text(value: Any) -> Any:
        kind, hashed = _reference(value)
        if not kind:
            return value
        content = found.get(hashed)
        if content is None:
            return None
        return b64encode(content).decode() if kind == _BASE64 else content.decode("utf-8", "surrogatepass")

    def filled(values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: known for name, value in values.items() if (known := text(value)) is not None or value is None}

    work = {**job.work, "files": filled(job.work["files"])} if job.work.get("files") else job.work
    return replace(job, work=work, options=filled(job.options))


def named(job: Job) -> frozenset[str]:
    """The hashes of the texts that its record names."""
    values = (*(job.work.get("files") or {}).values(), job.options.get("entryPoint"))
    return frozenset(hashed for _, hashed in map(_reference, values) if hashed)


async def keep(connection: AsyncConnection, job: Job, found: Mapping[str, bytes], now: datetime) -> None:
    """Keep these texts for the job. What names one that is there already keeps it from being dropped meanwhile."""
    write = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for hashed, content in sorted(found.items()):
        kept = write(texts).values(hash=hashed, used_ms=milliseconds(now), content=content)
        await connection.execute(
            kept.on_conflict_do_update(index_elements=[texts.c.hash], set_={"used_ms": milliseconds(now)})
        )
        await connection.execute(write(job_texts).values(job_id=job.job_id, hash=hashed).on_conflict_do_nothing())


async def release(connection: AsyncConnection, job_id: str) -> None:
    """The job needs none of its texts any more."""
    await connection.execute(delete(job_texts).where(job_texts.c.job_id == job_id))


async def read(connection: AsyncConnection, hashes: Iterable[str]) -> dict[str, bytes]:
    rows = await connection.execute(select(texts.c.hash, texts.c.content).where(texts.c.hash.in_(sorted(hashes))))
    return {row.hash: row.content for row in rows}


async def drop_unused(connection: AsyncConnection, unused_since: datetime) -> int:
    """Drop the texts that no job needs and none was accepted with since then; returns how many."""
    needed = exists().where(job_texts.c.hash == texts.c.hash)
    dropped = await connection.execute(delete(texts).where(texts.c.used_ms < milliseconds(unused_since), ~needed))
    return dropped.rowcount


def _reference(value: Any) -> tuple[str, str]:
    """Which kind of text a value stands for, and its hash; empty: it stands for itself."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, hashed),) = value.items()
        if kind in (_TEXT, _BASE64) and isinstance(hashed, str):
            return kind, hashed
    return "", ""
