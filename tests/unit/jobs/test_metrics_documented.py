"""docs/metrics.md has every metric that the service shows, with its type and labels, and no other."""

import re
from pathlib import Path

from service.jobs.ports import Records
from tests.unit.jobs.families import Families, of_files, of_processes, of_the_cluster

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"
_ROW = re.compile(r"^\| `(opsjobs_\w+)` \| (\w+) \|(.*?)\| .+ \| `.+` \|$", re.MULTILINE)


def documented() -> Families:
    rows = _ROW.findall(PAGE.read_text())
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


async def test_the_page_and_the_code_name_the_same_metrics(records: Records, tmp_path: Path) -> None:
    assert documented() == of_processes() | await of_the_cluster(records) | of_files(tmp_path)


def test_no_label_is_of_a_caller_or_a_machine() -> None:
    labels = frozenset[str]().union(*(labels for _, labels in documented().values()))
    allowed = {"type", "phase", "reason", "result", "method", "route", "status"}
    assert labels == allowed | {"action", "outcome", "kind", "operation", "verb", "code", "receiver"}


def test_each_query_asks_for_its_metric() -> None:
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `opsjobs_"):
            name = line.split("`")[1]
            assert line.rpartition(" | ")[2].count(name), line
