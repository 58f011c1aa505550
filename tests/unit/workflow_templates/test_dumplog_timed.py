"""Takes the times off a log, in whatever pieces it comes."""

from hypothesis import given
from hypothesis import strategies as st

from workflow_templates.dumplog.timestamped_lines import TimedLines

NANOS = ["2026-01-02T03:04:05.000000001Z", "2026-01-02T03:04:05.000000002Z", "2026-01-02T05:04:06.5+02:00"]
LINE = st.binary(max_size=40).map(lambda line: line.replace(b"\n", b""))


def told(pieces: list[bytes]) -> tuple[bytes, TimedLines]:
    lines = TimedLines()
    content = b"".join(lines.feed(piece) for piece in pieces)
    lines.close()
    return content, lines


def timed(*lines: bytes) -> bytes:
    return b"".join(f"{NANOS[number % 3]} ".encode() + line for number, line in enumerate(lines))


@given(st.lists(LINE, max_size=12), st.booleans(), st.lists(st.integers(1, 50), max_size=20))
def test_what_was_written_comes_out_whatever_the_pieces(lines: list[bytes], ended: bool, sizes: list[int]) -> None:  # noqa: FBT001
    written = [line + b"\n" for line in lines]
    if written and not ended:
        written[-1] = written[-1][:-1]
    answer, pieces = timed(*written), []
    for size in sizes:
        pieces.append(answer[:size])
        answer = answer[size:]
    content, found = told([*pieces, answer])
    assert content == b"".join(written)
    assert found.sentence == ""
    assert found.first_time == (NANOS[0] if written else "")
    assert found.last_time == (NANOS[(len(written) - 1) % 3] if written else "")


def test_a_line_that_never_ends_is_not_kept() -> None:
    lines = TimedLines()
    lines.feed(timed(b"x"))
    for _ in range(100):
        assert lines.feed(b"y" * 1000) == b"y" * 1000
    assert len(vars(lines)["_held"]) == 0


def test_a_sentence_without_a_time_is_no_log() -> None:
    content, found = told([timed(b"a\n"), b"failed to ", b"read\n"])
    assert (content, found.sentence) == (b"a\n", "failed to read")


def test_a_line_without_a_time_that_others_follow_is_one_of_the_log() -> None:
    content, found = told([timed(b"a\n") + b"went on\n", timed(b"b\n")])
    assert (content, found.sentence) == (b"a\nwent on\nb\n", "")


def test_half_a_time_is_neither() -> None:
    assert told([timed(b"a\n") + b"2026-01-02T03:0"])[1].sentence == ""


def reached(read: bytes, wanted: bytes, *, has_ended: bool) -> bool:
    return told([read])[1].reaches(told([wanted])[1], has_ended=has_ended)


def test_a_log_has_to_reach_what_was_its_last_line() -> None:
    first, second, later = (f"{moment} ".encode() for moment in [*NANOS[:2], "2026-01-02T03:05:00.000000000Z"])
    for has_ended in (True, False):
        assert reached(first + b"a\n", first + b"a\n", has_ended=has_ended)
        assert reached(first + b"a\n" + second + b"b\n", first + b"a\n", has_ended=has_ended)
        assert reached(later + b"c\n", first + b"a\n", has_ended=has_ended)
        assert reached(b"", b"", has_ended=has_ended)
        assert reached(b"anything", b"a sentence", has_ended=has_ended)
        assert not reached(first + b"a\n", second + b"b\n", has_ended=has_ended)
        assert not reached(b"", first + b"a\n", has_ended=has_ended)
        assert not reached(first + b"ab", first + b"abc\n", has_ended=has_ended)


def test_of_a_line_in_pieces_the_last_is_told_alone() -> None:
    """Container runtimes take long lines apart, and each piece has its own time."""
    first, last = (f"{moment} ".encode() for moment in NANOS[:2])
    for has_ended in (True, False):
        assert reached(first + b"x" * 40_000 + b"end\n", last + b"xxend\n", has_ended=has_ended)
    assert not reached(first + b"x" * 40_000, last + b"xxend\n", has_ended=True)


def test_lines_of_one_moment_are_told_apart_where_nothing_more_is_written() -> None:
    moment = NANOS[0].encode() + b" "
    assert not reached(moment + b"step 1\n", moment + b"step 2\n", has_ended=True)
