import contextlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.list_parameters import list_query
from service.domain.list_query import Visible
from tests.bench import listing
from tests.bench.cases import cases
from tests.bench.figures import Figures, keep
from tests.bench.processes import memory_megabytes, peak_megabytes

TIMES = st.lists(st.floats(0, 1e4, allow_nan=False), min_size=1, max_size=300)


class TestFigures:
    @pytest.mark.parametrize(("percent", "time"), [(0, 1), (50, 51), (95, 96), (99, 100), (100, 100)])
    def test_of_a_hundred_answers(self, percent: float, time: float) -> None:
        assert Figures("case", range(100, 0, -1)).at(percent) == time

    @given(TIMES)
    def test_at_most_one_in_a_hundred_is_slower_than_p99(self, times: list[float]) -> None:
        figures = Figures("case", times)
        slower = [time for time in times if time > figures.at(99)]
        assert len(slower) * 100 <= len(times)
        assert figures.at(50) <= figures.at(95) <= figures.at(99) <= max(times)

    def test_a_target_is_reached_when_p99_is_not_above_it(self) -> None:
        assert Figures("case", [25.0], target_ms=25.0).reached
        assert not Figures("case", [25.1], target_ms=25.0).reached
        assert Figures("case", [1e9]).reached

    def test_a_missed_target_is_seen_in_its_line(self) -> None:
        assert "MISSED" in Figures("case", [26.0], target_ms=25.0).line()
        assert "MISSED" not in Figures("case", [24.0], target_ms=25.0).line()

    @pytest.mark.parametrize(("ratio", "reached"), [(None, True), (10.0, True), (9.9, False)])
    def test_page_1_has_to_be_so_many_times_as_fast_as_argo_where_that_is_known(
        self, ratio: float | None, *, reached: bool
    ) -> None:
        figures = Figures("case", [1.0], target_ms=25.0, argo_ratio=ratio, least_ratio=10.0)
        assert figures.reached is reached
        assert ("MISSED" in figures.line()) is not reached


def test_another_number_of_records_is_kept_beside_the_usual_one(tmp_path: Path) -> None:
    usual, many = listing.Size(), listing.Size(records=1_000_000)
    file = tmp_path / "bench.json"
    for size in (many, usual, many):
        keep(size.part, [Figures("sqlite/page 1", [size.records / 1e5])], file)
    kept = {case: record["p50_ms"] for case, record in json.loads(file.read_text()).items()}
    assert kept == {"list/sqlite/page 1": 1, "list-1000000/sqlite/page 1": 10}


def test_some_cases_alone_replace_no_others() -> None:
    parts = {listing.Size(records, cases=cases).part for records in (100_000, 1_000) for cases in ("", "a member")}
    assert parts == {"list", "list-1000", "list-a-member", "list-1000-a-member"}


def test_every_case_of_the_list_is_one_that_the_service_understands() -> None:
    names = set()
    for case in cases(100_000, ["a", "b"]):
        names.add(case.name)
        for path in case.paths:
            query = parse_qs(urlsplit(path).query)
            list_query({name: value for name, (value,) in query.items()}, Visible("u", "c"), datetime.now(UTC))
    assert {"since and until, one day", "type=addon, deep page"} <= names


async def test_argo_s_answer_that_does_not_come_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(_target: object, paths: list[str], *_: object, **__: object) -> list[float]:
        if "continue" in paths[0]:
            raise TimeoutError
        return [7.0]

    @contextlib.contextmanager
    def argo_server(*_: object) -> Iterator[tuple[str, int]]:
        yield "", os.getpid()

    monkeypatch.setattr(listing, "argo_server", argo_server)
    monkeypatch.setattr(listing, "measure", measured)
    found = listing._argo_if_it_answers(None, listing.Size())  # type: ignore[arg-type]  # nobody looks at it
    assert [figures.case for figures in found] == [
        "argo-server/page 1, 1 at a time",
        "argo-server/type=addon, 1 at a time",
    ]
    assert "deepest page, 1 at a time: no answer in 120 s, left out" in capsys.readouterr().out


def test_the_peak_of_memory_is_not_below_what_is_held_now() -> None:
    held = bytearray(50_000_000)
    del held
    assert peak_megabytes(os.getpid()) > 50
    assert peak_megabytes(os.getpid()) >= memory_megabytes(os.getpid()) * 0.95


class TestKeep:
    def test_a_part_replaces_its_own_cases_and_no_others(self, tmp_path: Path) -> None:
        file = tmp_path / "build" / "bench.json"
        keep("list", [Figures("old", [1.0])], file)
        keep("scale", [Figures("nodes", [2.0])], file)
        keep("list", [Figures("new", [1.0, 3.0], target_ms=25, argo_ratio=17.5)], file)
        assert json.loads(file.read_text()) == {
            "scale/nodes": {"n": 1, "p50_ms": 2, "p95_ms": 2, "p99_ms": 2, "target_ms": None, "argo_ratio": None},
            "list/new": {"n": 2, "p50_ms": 3, "p95_ms": 3, "p99_ms": 3, "target_ms": 25, "argo_ratio": 17.5},
        }
