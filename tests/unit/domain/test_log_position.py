"""The id of an event says how far all of a job's steps were read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.log_lines import Position
from service.domain.log_position import MOST_CHARACTERS, BadPositionError, LogPosition, TrackPosition, pod_key

TRACKS = st.text("0123456789gjobx-", max_size=12)
LINES = st.builds(Position, st.integers(0, 2**62), st.integers(0, 10_000))


@given(begun=st.integers(0, 10**11), sent=st.lists(st.tuples(TRACKS, st.text(), LINES), min_size=1))
def test_an_id_is_read_back(begun: int, sent: list[tuple[str, str, Position]]) -> None:
    position = LogPosition(begun)
    event_id = ""
    for track, pod, line in sent:
        event_id = position.id_after(track, pod_key(pod), line)
    read = LogPosition.of(event_id)
    assert read.begun == begun
    assert read.tracks == {track: TrackPosition(pod_key(pod), line) for track, pod, line in sent}


def test_a_track_that_has_ended_is_left_out_and_not_begun_again() -> None:
    position = LogPosition(100)
    position.id_after("0", pod_key("a"), Position(5, 0))
    position.id_after("1", pod_key("b"), Position(6, 0))
    position.forget("0", 200)
    read = LogPosition.of(position.id_after("1", pod_key("b"), Position(7, 0)))
    assert (read.begun, list(read.tracks)) == (201, ["1"])


@pytest.mark.parametrize(
    "text", ["1~", "x", "1~a.b.c.d", "~", "1~0.00000000.1", "1~../.00000000.1.1", "1" + "~0.00000000.1.1" * 2_000]
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(BadPositionError):
        LogPosition.of(text)


def test_the_longest_id_fits_into_a_header() -> None:
    position = LogPosition(10**9)
    event_id = ""
    for number in range(300):
        event_id = position.id_after(str(number), pod_key(str(number)), Position(2**61, 9))
    assert len(event_id) < MOST_CHARACTERS
