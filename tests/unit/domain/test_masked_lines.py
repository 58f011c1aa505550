"""No value of a job's Secret is in its output, wherever it stands, however the output is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.masked_lines import KEPT_BYTES, LINE_BYTES, Masking, TooManyValuesError

#: Few letters, so that values overlap, repeat and contain one another.
VALUES = st.lists(st.text("abc \n", min_size=1, max_size=40), min_size=1, max_size=5)
LINES = st.text("abc ", max_size=200)


def parts(values: list[str]) -> list[bytes]:
    """What of the values may not be seen: of those of several lines each line that is longer than a few letters."""
    found = []
    for value in values:
        lines = [line.strip() for line in value.split("\n")]
        found += [line.encode() for line in lines if len(line) >= (1 if len(lines) == 1 else 4)]
    return found


@given(values=VALUES, line=LINES)
def test_no_value_is_left(values: list[str], line: str) -> None:
    masked = Masking(values).line(line.encode())
    assert not [part for part in parts(values) if part in masked]


@given(values=VALUES, line=LINES)
def test_what_is_no_value_stays(values: list[str], line: str) -> None:
    if not any(part in line.encode() for part in parts(values)):
        assert Masking(values).line(line.encode()) == line.encode()


@given(value=st.text("abcdef", min_size=8, max_size=300), before=st.integers(0, 400))
def test_a_value_across_the_end_of_a_cut_line_is_masked(value: str, before: int) -> None:
    """Whether the service cuts the line, or the step did before it."""
    for cut in (LINE_BYTES, KEPT_BYTES):
        line = (b"x" * (cut - before) + value.encode() + b"x" * 400)[:cut]
        masked = Masking([value]).line(line)
        assert len(masked) <= LINE_BYTES
        assert masked.strip(b"x") in (b"", b"***", b"**", b"*")


def test_the_value_is_masked_and_what_stands_around_it_is_not() -> None:
    masking = Masking(["hunter2", "correct horse battery staple, and forty more characters of it"])
    assert masking.line(b"password=hunter2;") == b"password=***;"
    assert masking.line(b"it is correct horse battery staple, and forty more characters of it.") == b"it is ***."
    assert masking.line(b"hunter1") == b"hunter1"


def test_each_line_of_a_longer_value_is_masked() -> None:
    key = "-----BEGIN KEY-----\r\nMIIEvQIBADANBg\n}\n-----END KEY-----\n"
    masking = Masking([key])
    assert [masking.line(line.encode()) for line in key.split("\n")[:3]] == [b"***\r", b"***", b"}"]


def test_values_that_anyone_may_see_and_are_short_are_left_in_peace() -> None:
    secret = {"LEVEL": "1", "PIN": "42", "MODEL": "resnet-152", "GONE": "x1"}
    masking = Masking.of(secret, {"LEVEL": "1", "PIN": "***", "MODEL": "resnet-152"})
    assert masking.line(b"1 42 resnet-152 x1") == b"1 *** *** ***"


def test_a_value_that_is_the_mask_hides_nothing() -> None:
    assert Masking(["***"]).line(b"a *** b") == b"a *** b"


def test_bytes_that_are_no_text_are_kept() -> None:
    assert Masking(["secret"]).line(b"\xff secret \x00\x1b[31m") == b"\xff *** \x00\x1b[31m"


def test_output_with_too_many_values_to_mask_is_not_shown() -> None:
    with pytest.raises(TooManyValuesError):
        Masking(f"value-{number}" for number in range(1_001))
