"""The record store. Only what is named here is for others."""

import contextlib
from collections.abc import AsyncIterator, Sequence

from service.domain.receiver import Receiver
from service.records.addresses import DEFAULT_URL, address_of
from service.records.store import SqlRecords

__all__ = ["DEFAULT_URL", "SqlRecords", "check_url", "open_records"]


def check_url(url: str) -> None:
    """Read the URL without connecting.

    Raises:
        ValueError: what is wrong with it, for a person; it shows no password.
    """
    address_of(url)


@contextlib.asynccontextmanager
async def open_records(url: str, receivers: Sequence[Receiver] = ()) -> AsyncIterator[SqlRecords]:
    """The store at that URL, until the block ends; it need not answer yet. `receivers` are told of its changes."""
    records = SqlRecords(url, receivers)
    try:
        yield records
    finally:
        await records.close()
