"""What the scale benchmark makes of the times that the API answers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.job import rfc3339
from tests.bench import reboots
from tests.bench.scale import REBOOTS, Size, at_once, between, check_report, sizes

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def node(start: int, end: int) -> dict[str, str]:
    return {"start": rfc3339(BEGIN + timedelta(seconds=start)), "end": rfc3339(BEGIN + timedelta(seconds=end))}


def test_a_node_that_starts_in_the_second_in_which_another_ends_is_not_beside_it() -> None:
    assert at_once([node(0, 10), node(10, 20), node(20, 30)]) == 1


def test_nodes_in_work_together_are_counted() -> None:
    assert at_once([node(0, 10), node(2, 12), node(9, 11), node(30, 40)]) == 3


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), min_size=1, max_size=30))
def test_no_moment_has_more_nodes_than_the_busiest(steps: list[tuple[int, int]]) -> None:
    busiest = max(sum(start <= second < start + length for start, length in steps) for second in range(151))
    assert at_once([node(start, start + length) for start, length in steps]) == busiest


def test_theory_is_whole_batches() -> None:
    assert Size(nodes=1_000, batch=50, seconds=10).theory == 200
    assert Size(nodes=101, batch=50, seconds=2).theory == 6
    assert Size(nodes=1_000, seconds=10, job_type="preflight").theory == 10
    assert REBOOTS.theory == 300


def test_a_run_is_of_the_usual_size_but_for_what_is_given() -> None:
    assert list(sizes("addon", 0, 0, ())) == [Size(), Size(seconds=2)]
    assert list(sizes("addon", 20, 5, (1, 3))) == [Size(20, 5, 1), Size(20, 5, 3)]
    assert list(sizes("reboot", 0, 0, ())) == [REBOOTS]


def entry(kind: str, template: str, begin: int, end: int) -> dict[str, str]:
    moments = (BEGIN + timedelta(seconds=begin), BEGIN + timedelta(seconds=end))
    started, finished = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments)
    return {"type": kind, "templateName": template, "startedAt": started, "finishedAt": finished}


def test_reboots_are_measured_against_rounds_of_their_slowest_stages() -> None:
    entries = [
        *(entry("DAG", "node", 0, 20), entry("Retry", "begin", 0, 5), entry("Pod", "begin", 0, 5)),
        *(entry("Pod", "reboot", 6, 12), entry("Pod", "end", 13, 20)),
        *(entry("DAG", "node", 21, 35), entry("Pod", "begin", 21, 25), entry("Pod", "reboot", 25, 34)),
        entry("Pod", "end", 34, 35),
        {"type": "TaskGroup", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z"},
    ]
    workflow = {"status": {"nodes": {str(number): one for number, one in enumerate(entries)}}}
    found = {one.case: one for one in reboots.amounts(workflow, 2, 1, 63)}
    assert found["2 rounds of the slowest stages"].record()["value"] == 2 * (5 + 9 + 7)
    assert found["from submission to the end against that"].record()["value"] == 1.5
    assert found["a node's reboot"].record()["p99_ms"] == 9000
    with pytest.raises(RuntimeError, match="2 of 3 nodes"):
        list(reboots.amounts(workflow, 3, 1, 63))


def test_times_are_subtracted_as_the_api_writes_them() -> None:
    assert between("2026-01-01T00:00:00.500Z", "2026-01-01T00:03:20.000Z") == 199.5


def test_a_report_holds_every_node_of_its_job() -> None:
    job = {"plan": {"nodes": [{"name": "a"}, {"name": "b"}]}}
    healthy = [{"name": "a", "status": "pass"}, {"name": "b", "status": "pass"}]
    check_report({"nodes": healthy}, job)
    for nodes in (healthy[:1], [healthy[0], {"name": "b", "status": "error"}]):
        with pytest.raises(RuntimeError, match="1 nodes are not in the report as healthy, b among them"):
            check_report({"nodes": nodes}, job)
