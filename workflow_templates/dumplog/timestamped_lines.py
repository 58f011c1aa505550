"""A log as Kubernetes gives it with the time before each line: by them one knows a log, and how far it was read."""

import re
from datetime import datetime

_TIME = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ")
#: The line break makes the search four times as quick as an anchor would.
_BEGINNING = re.compile(rb"\n" + _TIME.pattern)
#: What is left of one where an answer ends in its middle.
_BROKEN_TIME = re.compile(r"[0-9T:.Z+-]*")
#: More than this without a time is a log without times, not a sentence about one.
_SENTENCE_BYTES = 4096
#: Of the end of what was read, as much as is compared.
_END_BYTES = 1024
#: Container runtimes take a longer line apart. Kubernetes then gives the time of its first piece, but asked for the
#: last line alone it gives the last piece.
_WHOLE_LINE_BYTES = 16_000


class TimedLines:
    """Takes the times off. What comes without one is no log: it is the kubelet's sentence on why it has none."""

    def __init__(self) -> None:
        self.first_time = ""
        self.last_time = ""
        #: The kubelet's sentence instead of a log, or after it; known when all was fed.
        self.sentence = ""
        self._end = b""
        #: Of the last line, without its time.
        self._line_bytes = 0
        self._is_inside = False
        self._held = b""
        self._untimed = b""

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the response; returns what is certainly of the log."""
        content = b"".join(self._without_times(self._held + data))
        self._end = (self._end + content[-_END_BYTES:])[-_END_BYTES:]
        return content

    def close(self) -> None:
        """The response is at its end."""
        sentence = (self._untimed + self._held).decode(errors="replace").strip()
        self.sentence = "" if _BROKEN_TIME.fullmatch(sentence) else sentence

    def reaches(self, wanted: "TimedLines", *, has_ended: bool) -> bool:
        """Whether this was read as far as what was its last line before, and what has ended not less far than there."""
        if not wanted.last_time:
            return True
        if self.last_time == wanted.last_time:
            return self._end.endswith(wanted._end) if has_ended else self._line_bytes >= wanted._line_bytes  # noqa: SLF001
        is_later = bool(self.last_time) and moment(self.last_time) > moment(wanted.last_time)
        is_whole = not has_ended or self._end.endswith(wanted._end)  # noqa: SLF001
        return is_later or (self._line_bytes > _WHOLE_LINE_BYTES and is_whole)

    def _without_times(self, data: bytes) -> list[bytes]:
        self._held, kept = b"", []
        if self._is_inside:
            size = data.find(b"\n") + 1 or len(data)
            kept.append(data[:size])
            self._line_bytes += size
            self._is_inside = not kept[-1].endswith(b"\n")
            data = data[size:]
        size = data.rfind(b"\n") + 1
        kept.append(self._lines(data[:size]))
        self._held = data[size:]
        if begun := _TIME.match(self._held):
            self._timed(begun[1])
            kept += [self._taken_back(), self._held[begun.end() :]]
            self._line_bytes, self._held, self._is_inside = len(kept[-1]), b"", True
        elif len(self._untimed) + len(self._held) > _SENTENCE_BYTES:
            kept += [self._taken_back(), self._held]
            self._line_bytes, self._is_inside = len(self._held), bool(self._held)
            self._held = b""
        return kept

    def _lines(self, lines: bytes) -> bytes:
        """Whole lines."""
        if not lines:
            return b""
        if not (first := _TIME.match(lines)) or not (last := _TIME.match(lines, lines.rfind(b"\n", 0, -1) + 1)):
            return self._one_by_one(lines)
        content, times = _BEGINNING.subn(b"\n", b"\n" + lines)
        if times != lines.count(b"\n"):
            return self._one_by_one(lines)
        self._timed(first[1])
        self._timed(last[1])
        self._line_bytes = len(lines) - last.end()
        return self._taken_back() + content[1:]

    def _one_by_one(self, lines: bytes) -> bytes:
        kept = []
        for line in (part + b"\n" for part in lines[:-1].split(b"\n")):
            if begun := _TIME.match(line):
                self._timed(begun[1])
                kept += [self._taken_back(), line[begun.end() :]]
                self._line_bytes = len(kept[-1])
            else:
                self._untimed += line
                if len(self._untimed) > _SENTENCE_BYTES:
                    kept.append(self._taken_back())
        return b"".join(kept)

    def _taken_back(self) -> bytes:
        """What was taken for a sentence of the kubelet's, and was none, for more came after it."""
        untimed, self._untimed = self._untimed, b""
        return untimed

    def _timed(self, time: bytes) -> None:
        self.last_time = time.decode()
        self.first_time = self.first_time or self.last_time


def moment(time: str) -> tuple[datetime, str]:
    """To compare times by: in order also where two of them differ by less than a microsecond."""
    # As text "….5Z" would come after "….500000001Z".
    return datetime.fromisoformat(time), time.rstrip("Z")
