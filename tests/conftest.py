import os
import random
from pathlib import Path

import pytest
import structlog
from _pytest.nodeid import NodeId
from hypothesis import settings

# How long one example takes says nothing on a machine that also builds and runs a cluster.
settings.register_profile("opsjobs", deadline=None)
# CI judges a change by the same examples each time; whoever runs the suite by hand looks for new ones.
settings.register_profile("ci", deadline=None, derandomize=True)
# A property that holds for 20 examples seldom fails at the hundredth: `make unit` tries few, `make test` all.
settings.register_profile("quick", deadline=None, max_examples=20)
settings.load_profile("ci" if os.environ.get("CI") else "opsjobs")

# structlog's own tracebacks show every local variable: the first costs two seconds of processor.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.dev.ConsoleRenderer(colors=False)],
)

pytest_plugins = ["tests.cluster_fixtures", "tests.browser"]

TESTS = Path(__file__).parent
#: In these folders, what asks for the fixture `cluster` works on the real one.
ON_THE_CLUSTER = {TESTS / "e2e", TESTS / "attacks", TESTS / "kube", TESTS / "faults"}
#: The group of tests that take more than two nodes.
MANY_NODES = "many-nodes"
#: Fixtures that wait for a node or two.
ONE_NODE = {"node", "two_nodes", "idle_node", "idle_nodes"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", metavar="SEED", help="modules, and the tests within each, in an order of that seed")


def _shuffle(items: list[pytest.Item], seed: str) -> None:
    draw = random.Random(seed)  # noqa: S311 - an order of tests
    place_of_module = {path: draw.random() for path in sorted({item.path for item in items})}
    items.sort(key=lambda item: (place_of_module[item.path], draw.random()))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        if ON_THE_CLUSTER & set(item.path.parents) and "cluster" in asked:
            item.add_marker(pytest.mark.e2e)
            if not item.get_closest_marker("xdist_group") and (name := _group(item.path, asked)):
                item.add_marker(pytest.mark.xdist_group(name))
        elif item.get_closest_marker("e2e") and not ON_THE_CLUSTER & set(item.path.parents):
            folders = ", ".join(sorted(folder.name for folder in ON_THE_CLUSTER))
            raise pytest.UsageError(f"{item.nodeid} needs the cluster: make test looks for it in {folders}")
    if seed := config.getoption("shuffle"):
        _shuffle(items, seed)
    items.sort(key=_turn)
    if getattr(config.option, "loadgroup", False):
        for item in items:
            # xdist 3.8 does so itself, in an attribute that pytest 9.2 has no more: its groups were torn apart.
            if group := item.get_closest_marker("xdist_group"):
                item._id = NodeId.parse(f"{item.nodeid}@{group.args[0]}")


def _group(path: Path, asked: set[str]) -> str:
    if {TESTS / "kube", TESTS / "faults"} & set(path.parents):
        return "kube"  # they share two namespaces
    if "guests" in asked:
        return "reboot"  # they share one
    return MANY_NODES if "nodes" in asked else ""


def _turn(item: pytest.Item) -> int:
    """Tests of many nodes first, and beside them those that wait for none; then those of a node or two."""
    if item.get_closest_marker("e2e") is None:
        return 0
    group = item.get_closest_marker("xdist_group")
    if group and group.args[0] == MANY_NODES:
        return 1
    needs_nodes = bool(ONE_NODE & set(getattr(item, "fixturenames", ())))
    return 2 + 2 * needs_nodes + (group is None)


class Failures:
    """Says at once what failed and why: whoever watches a long run, or finds its log cut off, need not have its end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = crash.message.partition("\n")[0][:300] if crash else ""
            self.config.get_terminal_writer().line(f"\nfailed in {report.when}: {report.nodeid}: {why}")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures(config))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """What must have the cluster for itself would fail, and fail others, beside them."""
    alone = [item.nodeid for item in session.items if item.get_closest_marker("alone")]
    if alone and hasattr(session.config, "workerinput"):
        raise pytest.UsageError(f"without -n, or with -m 'not alone': {alone[0]} must run alone")
