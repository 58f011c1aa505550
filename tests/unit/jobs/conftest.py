"""Records and a cluster for the tests that run what works in the background."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.jobs.ports import Records
from tests.unit.jobs.cluster import InMemory, records_in


@pytest.fixture
def cluster() -> InMemory:
    return InMemory()


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    async with records_in(tmp_path) as opened:
        yield opened
