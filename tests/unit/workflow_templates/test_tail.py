"""The last lines of an output, however it came and whatever it holds."""

from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.tail import Tail, last_bytes


@given(st.lists(st.binary(max_size=50)), st.integers(min_value=1, max_value=80))
def test_it_never_grows_beyond_its_size(chunks: list[bytes], size: int) -> None:
    tail = Tail(size)
    for chunk in chunks:
        tail.feed(chunk)
    assert len(tail.text().encode()) <= size


@given(st.lists(st.text(alphabet="abcü€😀 ", max_size=8)), st.integers(min_value=1, max_value=7))
def test_what_fits_is_kept_whole_however_it_was_cut(lines: list[str], step: int) -> None:
    text = "\n".join(lines)
    tail = Tail(1000)
    encoded = text.encode()
    for begin in range(0, len(encoded), step):
        tail.feed(encoded[begin : begin + step])
    assert tail.text() == text.rstrip("\n")


def test_a_line_that_lost_its_beginning_is_left_out() -> None:
    tail = Tail(12)
    tail.feed(b"first line\nsecond\nthird\n")
    assert tail.text() == "third"


def test_one_endless_line_shows_its_end() -> None:
    tail = Tail(5)
    tail.feed(b"0123456789")
    assert tail.text() == "56789"


def test_bytes_that_are_no_text_do_no_harm() -> None:
    tail = Tail(100)
    tail.feed(b"ok \xff\xfe end")
    assert tail.text() == "ok \ufffd\ufffd end"


@given(st.text(), st.integers(min_value=0, max_value=20))
def test_last_bytes_is_an_end_of_the_text(text: str, size: int) -> None:
    end = last_bytes(text, size)
    assert text.endswith(end)
    assert len(end.encode()) <= size
