import json
from pathlib import Path

import pytest
from hypothesis import settings

from tests.e2e.live import Cluster

# How long one example takes says nothing on a machine that also builds and runs a cluster.
settings.register_profile("opsjobs", deadline=None)
settings.load_profile("opsjobs")

TESTS = Path(__file__).parent
#: Everything in these folders works on the real cluster.
ON_THE_CLUSTER = {TESTS / "e2e", TESTS / "kube", TESTS / "faults"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if ON_THE_CLUSTER & set(item.path.parents):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    facts = TESTS.parent / "build" / "cluster.json"
    assert facts.exists(), "no cluster: run make up first"
    return Cluster(json.loads(facts.read_text()))
