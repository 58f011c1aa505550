from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.list_parameters import NO_END, list_query
from service.api.problems import Problem
from service.domain.job import JobType, Phase
from service.domain.list_query import ListQuery, SortField, Visible

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def query(**params: str) -> ListQuery:
    return list_query(params, Visible(user_id="u", cluster_id="c"), NOW)


def refused(**params: str) -> set[str]:
    with pytest.raises(Problem) as caught:
        query(**params)
    assert caught.value.status == 400
    return {fault.path for fault in caught.value.faults}


def test_the_documents_defaults() -> None:
    assert query() == ListQuery(
        since=NOW - timedelta(hours=720), until=NO_END, visible=Visible("u", "c"), offset=0, limit=100,
        sort_by=SortField.CREATION_TIME, descending=True,
    )  # fmt: skip


def test_unknown_names_and_empty_values_are_ignored() -> None:
    assert query(page="7", limit="", order="", sortBy="", since="", phase="") == query()


def test_since_defaults_to_720_hours_before_until() -> None:
    found = query(until="2025-01-31T00:00:00Z")
    assert found.since == datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-10T08:00:00Z", datetime(2025, 1, 10, 8, tzinfo=UTC)),
        ("2025-01-10t08:00:00z", datetime(2025, 1, 10, 8, tzinfo=UTC)),
        ("2025-01-10T08:00:00", datetime(2025, 1, 10, 8, tzinfo=UTC)),
        ("2025-01-10T08:00:00.5Z", datetime(2025, 1, 10, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("2025-01-10T08:00:00+08:00", datetime(2025, 1, 10, 0, tzinfo=UTC)),
        ("2025-01-10T08:00:00 08:00", datetime(2025, 1, 10, 0, tzinfo=UTC)),
        ("2025-01-10T08:00:00.123456789-00:30", datetime(2025, 1, 10, 8, 30, 0, 123_000, tzinfo=UTC)),
    ],
)
def test_until_takes_any_offset_and_any_fraction(text: str, moment: datetime) -> None:
    assert query(until=text).until == moment


def test_both_ends_are_rounded_inwards_to_the_milliseconds_that_are_kept() -> None:
    found = query(since="2025-01-10T08:00:00.1230001Z", until="2025-01-10T08:00:01.1239999Z")
    assert found.since.microsecond == 124_000
    assert found.until.microsecond == 123_000


@pytest.mark.parametrize(
    "text", ["yesterday", "2025-01-10", "2025-13-10T08:00:00Z", "2025-01-10T25:00:00Z", "1736496000"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    assert refused(since=text) == {"since"}
    assert refused(until=text) == {"until"}


def test_since_after_until_is_refused() -> None:
    assert refused(since="2025-01-10T08:00:00Z", until="2025-01-10T07:59:59Z") == {"since"}
    assert refused(since="2026-11-23T12:00:00.001Z") == {"since"}  # until is now
    assert query(since="2026-11-23T12:00:00Z").since == NOW


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "1001"), ("limit", "ten"), ("limit", "1.0"), ("offset", "-1"), ("offset", "9" * 30),
     ("sortBy", "conditions"), ("order", "down"), ("phase", "Done"), ("type", "upgrade"), ("userName", "a\0"),
     ("includeDeleted", "maybe"), ("includeDeleted", "TRUE"), ("includeDeleted", "2")],
)  # fmt: skip
def test_what_is_outside_its_range_is_refused(name: str, value: str) -> None:
    assert refused(**{name: value}) == {name}


def test_all_faults_at_once() -> None:
    assert refused(limit="0", offset="-1", order="x") == {"limit", "offset", "order"}


def test_a_sort_field_that_is_none_lists_them_all() -> None:
    with pytest.raises(Problem) as caught:
        query(sortBy="nothing")
    assert all(field.value in caught.value.message for field in SortField)


def test_filters_arrive() -> None:
    found = query(
        clusterId="c", workspaceId="w", userName="a%", jobName="_", phase="Failed", type="reboot", order="asc"
    )
    assert (found.cluster_id, found.workspace_id, found.user_name, found.job_name) == ("c", "w", "a%", "_")
    assert (found.phase, found.type, found.descending) == (Phase.FAILED, JobType.REBOOT, False)


@given(st.dictionaries(st.sampled_from(["since", "until", "limit", "offset", "sortBy", "order", "phase"]), st.text()))
def test_whatever_a_query_holds_it_is_a_query_or_a_400(params: dict[str, str]) -> None:
    try:
        assert 1 <= query(**params).limit <= 1000
    except Problem as problem:
        assert problem.status == 400
