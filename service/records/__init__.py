"""The record store. Only what is named here is for others."""

import contextlib
from collections.abc import AsyncIterator

from service.records.store import SqlRecords

__all__ = ["SqlRecords", "open_records"]


@contextlib.asynccontextmanager
async def open_records(url: str) -> AsyncIterator[SqlRecords]:
    """The store at that URL, until the block ends; it need not answer yet."""
    records = SqlRecords(url)
    try:
        yield records
    finally:
        await records.close()
