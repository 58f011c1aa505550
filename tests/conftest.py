from pathlib import Path

import pytest
from hypothesis import settings

# How long one example takes says nothing on a machine that also builds and runs a cluster.
settings.register_profile("opsjobs", deadline=None)
settings.load_profile("opsjobs")

pytest_plugins = ["tests.cluster_fixtures"]

TESTS = Path(__file__).parent
#: In these folders, what asks for the fixture `cluster` works on the real one.
ON_THE_CLUSTER = {TESTS / "e2e", TESTS / "attacks", TESTS / "kube", TESTS / "faults"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if ON_THE_CLUSTER & set(item.path.parents) and "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """What must have the cluster for itself would fail, and fail others, beside them."""
    alone = [item.nodeid for item in session.items if item.get_closest_marker("alone")]
    if alone and hasattr(session.config, "workerinput"):
        raise pytest.UsageError(f"without -n, or with -m 'not alone': {alone[0]} must run alone")
