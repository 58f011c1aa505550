"""The kubelet's log of a container as lines with their times, and where one reader is in it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

#: 2026-11-28T04:00:00.123456789Z, a space, the text; the fraction may be shorter.
_SECONDS_END = len("2026-11-28T04:00:00")
_NANOS = 9
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Line:
    #: Nanoseconds since 1970.
    at: int
    #: How many lines of the same time come before it.
    number: int
    #: As the kubelet writes it.
    time: str
    text: bytes
    #: False: it may be the end, or the beginning, of a longer one. Tails and times are counted in pieces of lines.
    begins: bool = True
    ends: bool = True


@dataclass(frozen=True, slots=True)
class Position:
    """The last line that a reader got of one container."""

    at: int = 0
    number: int = -1

    @property
    def since(self) -> str:
        """The time from which lines are asked for, in whole seconds, which is all that Kubernetes takes."""
        return datetime.fromtimestamp(self.at // _SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Gap:
    """Lines between two times are not there any more."""

    since: int
    until: int


class LineSplitter:
    """Bytes as they come, in pieces of any size, to lines; of one that is too long only the beginning is kept."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that are whole now."""
        first, *others = piece.split(b"\n")
        self._rest += first[: self._most - len(self._rest)]
        if not others:
            return []
        lines = [bytes(self._rest), *(line[: self._most] for line in others[:-1])]
        self._rest = bytearray(others[-1][: self._most])
        return lines

    def end(self) -> list[bytes]:
        """The last line, where it has no end of its own."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [rest] if rest else []


class LogReading:
    """Lines after a position, from a log that is asked for from that second on.

    The line at the position is looked for; where it is not there any more, what was between is a gap. So a clock that
    is set back loses nothing, and no line comes twice.
    """

    def __init__(self, position: Position | None = None) -> None:
        self._sought = position
        self._at, self._number = -1, -1

    def line(self, raw: bytes, *, ends: bool = True) -> Iterator[Line | Gap]:
        """What is new in one line of the log: nothing, it, or before it a gap."""
        stamp, _, text = raw.partition(b" ")
        at = nanoseconds(stamp)
        if at is None:
            return  # the kubelet's own words about the log
        begins = self._at >= 0
        self._number = self._number + 1 if at == self._at else 0
        self._at = at
        sought = self._sought
        if sought is not None:
            if at < sought.at or (at == sought.at and self._number < sought.number):
                return
            self._sought = None
            if at == sought.at and self._number == sought.number:
                return
            yield Gap(sought.at, at)
        yield Line(at, self._number, stamp.decode(), text, begins, ends)


def nanoseconds(stamp: bytes) -> int | None:
    """A time as the kubelet writes it; None: it is none."""
    seconds, rest = stamp[:_SECONDS_END], stamp[_SECONDS_END:]
    fraction, zone = b"", rest
    if rest[:1] == b".":
        digits = len(rest) - len(rest[1:].lstrip(b"0123456789"))
        fraction, zone = rest[1:digits], rest[digits:]
    whole = _whole_seconds(seconds, zone)
    if whole is None or len(fraction) > _NANOS:
        return None
    return whole * _SECOND + int(fraction.ljust(_NANOS, b"0"))


@lru_cache(maxsize=64)
def _whole_seconds(seconds: bytes, zone: bytes) -> int | None:
    try:
        moment = datetime.fromisoformat((seconds + zone).decode("ascii"))
    except ValueError:
        return None
    return None if moment.tzinfo is None else int(moment.timestamp())


def rfc3339_nanoseconds(at: int) -> str:
    """A time in UTC with all of its digits."""
    seconds, fraction = divmod(at, _SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:0{_NANOS}d}Z"
