"""A store that is migrated and empty, and a second one on the same database, as another replica has it."""

from collections.abc import AsyncIterator

import pytest

from service.records.store import SqlRecords


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlRecords]:
    opened = SqlRecords(url)
    yield opened
    await opened.close()


@pytest.fixture
async def replica(url: str) -> AsyncIterator[SqlRecords]:
    opened = SqlRecords(url)
    yield opened
    await opened.close()
