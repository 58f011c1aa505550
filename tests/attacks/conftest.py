from collections.abc import Iterator

import pytest

from tests.attacks.impersonation import Thief
from tests.e2e.live import Cluster


@pytest.fixture(scope="session")
def thief(cluster: Cluster) -> Iterator[Thief]:
    """Somebody with a stolen token, of whomever."""
    one = Thief(cluster)
    yield one
    one.close()
