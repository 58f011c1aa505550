"""The kubelet's log, in pieces of any size: no line is lost, none comes twice, and what is gone is a gap."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.log_lines import (
    Gap,
    Line,
    LineSplitter,
    LogReading,
    Position,
    nanoseconds,
    rfc3339_nanoseconds,
)

SECOND = 10**9
BEGIN = 1_764_000_000 * SECOND


def raw(at: int, text: str = "") -> bytes:
    return f"{rfc3339_nanoseconds(at)} {text}".encode()


def read(lines: Iterable[bytes], position: Position | None = None) -> list[Line | Gap]:
    reading = LogReading(position)
    return [found for line in lines for found in reading.line(line)]


@given(lines=st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line)), sizes=st.lists(st.integers(1, 9)))
def test_lines_come_whole_whatever_the_pieces(lines: list[bytes], sizes: list[int]) -> None:
    splitter, text = LineSplitter(100), b"".join(line + b"\n" for line in lines)
    found = []
    for size in [*sizes, len(text) + 1]:
        found += splitter.feed(text[:size])
        text = text[size:]
    assert [*found, *splitter.end()] == lines


@given(line=st.integers(0, 400), piece=st.integers(1, 50))
def test_of_a_line_that_is_too_long_its_beginning_is_kept(line: int, piece: int) -> None:
    splitter, text = LineSplitter(100), b"x" * line + b"\nnext"
    found = []
    for begin in range(0, len(text), piece):
        found += splitter.feed(text[begin : begin + piece])
    assert [*found, *splitter.end()] == [b"x" * min(line, 100), b"next"]


@given(
    steps=st.lists(st.integers(0, 3 * SECOND // 4), min_size=1, max_size=30),
    after=st.integers(0, 29),
)
def test_who_goes_on_after_any_line_gets_the_others_once(steps: list[int], after: int) -> None:
    """Also where lines have one time; the log begins with the second of the last line, as Kubernetes has it."""
    times = [BEGIN + sum(steps[: index + 1]) for index in range(len(steps))]
    log = [raw(at, str(index)) for index, at in enumerate(times)]
    everything = [line for line in read(log) if isinstance(line, Line)]
    assert [line.text for line in everything] == [str(index).encode() for index in range(len(steps))]
    last = everything[after % len(everything)]
    since = last.at // SECOND * SECOND
    again = read((line for line, at in zip(log, times, strict=True) if at >= since), Position(last.at, last.number))
    assert again == everything[after % len(everything) + 1 :]


def test_a_clock_that_is_set_back_loses_no_line() -> None:
    log = [raw(BEGIN + 5, "a"), raw(BEGIN + 9, "b"), raw(BEGIN + 2, "c"), raw(BEGIN + 7, "d")]
    assert [found.text for found in read(log, Position(BEGIN + 9, 0)) if isinstance(found, Line)] == [b"c", b"d"]


def test_what_was_rotated_away_is_a_gap_before_what_there_is() -> None:
    found = read([raw(BEGIN + 50, "later"), raw(BEGIN + 60, "last")], Position(BEGIN + 9, 0))
    assert found[0] == Gap(BEGIN + 9, BEGIN + 50)
    assert [line.text for line in found[1:] if isinstance(line, Line)] == [b"later", b"last"]


def test_what_the_kubelet_says_of_the_log_is_no_line() -> None:
    assert read([b"unable to retrieve container logs for containerd://0", b""]) == []


@given(st.integers(0, 4_000_000_000 * SECOND))
def test_a_time_is_read_as_it_is_written(at: int) -> None:
    assert nanoseconds(rfc3339_nanoseconds(at).encode()) == at


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("2026-11-28T04:00:00Z", 1795838400 * SECOND),
        ("2026-11-28T06:00:00.5+02:00", 1795838400 * SECOND + SECOND // 2),
        ("2026-11-28T04:00:00.1234567891Z", None),
        ("2026-11-28T04:00:00", None),
        ("2026-99-28T04:00:00Z", None),
        ("", None),
    ],
)
def test_times_with_other_zones_and_fractions(stamp: str, at: int | None) -> None:
    assert nanoseconds(stamp.encode()) == at


def test_positions_ask_from_their_own_second_on() -> None:
    assert Position(1795838400 * SECOND + 999_999_999, 0).since == "2026-11-28T04:00:00Z"
