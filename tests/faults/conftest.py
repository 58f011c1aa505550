from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.kube import Kube, KubeSettings, connect
from service.records import SqlRecords, open_records
from service.records.migrate import migrate
from tests.kube.conftest import settings

__all__ = ["settings"]


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[SqlRecords]:
    url = f"sqlite+aiosqlite:///{tmp_path}/records.db"
    await migrate(url)
    async with open_records(url) as opened:
        yield opened


@pytest.fixture
async def kube(settings: KubeSettings) -> AsyncIterator[Kube]:
    async with connect(settings) as connected:
        yield connected
