import asyncio
import shutil
from pathlib import Path

import pytest

from service.records.migrate import migrate
from tests.records_suite.fixtures import replica, store

__all__ = ["replica", "store"]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database without a row; each test gets a copy."""
    path = tmp_path_factory.mktemp("records") / "migrated.db"
    asyncio.run(migrate(_url(path)))
    return path


@pytest.fixture
def url(migrated: Path, tmp_path: Path) -> str:
    copy = tmp_path / "records.db"
    shutil.copy(migrated, copy)
    return _url(copy)


@pytest.fixture
def empty_url(tmp_path: Path) -> str:
    return _url(tmp_path / "empty.db")


def _url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"
