import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.figures import Figures, keep

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
