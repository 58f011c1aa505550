import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.job import rfc3339
from service.records.rows import NO_TIME, folded, milliseconds, storable, to_item, to_listing_row
from tests.records_suite.example import a_job

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 — see timezones


class TestMilliseconds:
    @given(MOMENTS, MOMENTS)
    def test_they_compare_as_the_answered_texts_do(self, one: datetime, other: datetime) -> None:
        assert (milliseconds(one) < milliseconds(other)) == (rfc3339(one) < rfc3339(other))

    @given(MOMENTS)
    def test_no_time_comes_before_every_time(self, moment: datetime) -> None:
        assert milliseconds(None) == NO_TIME < milliseconds(moment)

    def test_the_offset_of_a_time_does_not_matter(self) -> None:
        berlin = datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))
        assert milliseconds(berlin) == milliseconds(datetime(2026, 5, 1, 12, tzinfo=UTC))


class TestTexts:
    @given(st.text(st.characters(codec=None)))
    def test_any_text_is_made_storable(self, text: str) -> None:
        assert "\0" not in storable(text)
        assert storable(text).encode().decode() == storable(text)

    @given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
    def test_ordinary_text_stays_as_it_is(self, text: str) -> None:
        assert storable(text) == text

    @pytest.mark.parametrize(("one", "other"), [("ALICE", "alice"), ("STRASSE", "straße"), ("ÉVA", "éva"), ("Σ", "ς")])
    def test_folding_sees_no_case(self, one: str, other: str) -> None:
        assert folded(one) == folded(other)


class TestItem:
    def test_it_is_one_line_of_json_in_the_order_of_the_document(self) -> None:
        item = to_item(a_job(job_name="a\nb 中"))
        assert "\n" not in item
        assert "中" in item
        assert list(json.loads(item)) == [
            "jobId",
            "jobName",
            "clusterId",
            "workspaceId",
            "userId",
            "userName",
            "type",
            "phase",
            "creationTime",
            "startTime",
            "endTime",
            "deletionTime",
            "timeoutSecond",
        ]

    def test_what_is_indexed_fits_an_index_entry_of_postgresql(self) -> None:
        row = to_listing_row(a_job(job_name="😀" * 3_000, user_name="😀" * 3_000))
        assert len(row["job_name"].encode()) <= 2_000
        assert len(row["user_name"].encode()) <= 2_000
        assert row["user_name_folded"] == "😀" * 3_000
