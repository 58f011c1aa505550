import asyncio
from collections.abc import Iterator
from itertools import count

import pytest

from service.records.migrate import migrate
from tests import postgresql
from tests.records_suite.fixtures import replica, store

__all__ = ["replica", "store"]

_numbers = count()


@pytest.fixture(scope="session")
def server() -> Iterator[postgresql.Server]:
    with postgresql.running() as server:
        asyncio.run(migrate(server.create("migrated")))
        yield server


@pytest.fixture
def url(server: postgresql.Server) -> Iterator[str]:
    """A migrated database without a row, one for each test."""
    database = f"records_{next(_numbers)}"
    yield server.create(database, template="migrated")
    server.drop(database)


@pytest.fixture
def empty_url(server: postgresql.Server) -> Iterator[str]:
    database = f"empty_{next(_numbers)}"
    yield server.create(database)
    server.drop(database)
