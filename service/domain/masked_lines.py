"""Output without the values of its job's Secret (contract: Following a job). Pure; bytes in and out.

A value is looked for by its beginning, and masked to its end: so one that was cut off at the end of a line is masked
too, and the time a line takes does not grow with what values hold. A value of several lines is one for each line.
"""

from collections.abc import Iterable, Iterator, Mapping

from service.domain.secret_values import MASK

#: What a line may have (contract). What is longer is cut.
LINE_BYTES = 16 * 1024
#: Bytes of a line that are to be kept until it is masked: a value that begins before the cut may end behind it.
KEPT_BYTES = 2 * LINE_BYTES
#: Values shorter than that are masked only where the record masks them too: 1 and true stand in every output.
_OPEN_BYTES = 8
#: Shorter lines of a value of several are not masked: a brace by itself tells nothing, and is in every output.
_LINE_OF_VALUE_BYTES = 4
#: How much of a value is compared before the rest is taken to be there.
_HEAD_BYTES = 32
#: A line that a step itself may have cut: shorter by what it may have put before it.
_PERHAPS_CUT = LINE_BYTES - 512
#: What of a value is masked at the torn end of a line, at least: less is there by chance.
_TORN_BYTES = 4
#: Values, and lines of values, of one job. More would take too long for each line.
_MOST_VALUES = 1_000
#: Values times bytes that take some milliseconds at most, whatever they are.
_QUICK = 1_000_000
_MASK = MASK.encode()


class TooManyValuesError(Exception):
    """So many values would have to be masked that the job's output is not shown."""


class Masking:
    """What one job's output is masked with."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        encoded = {line for value in values for line in _lines(value)}
        if len(encoded) > _MOST_VALUES:
            raise TooManyValuesError(f"more than {_MOST_VALUES} values of its environment would have to be masked")
        self._values = sorted(encoded)
        heads: dict[bytes, int] = {}
        for value in encoded:
            head = value[:_HEAD_BYTES]
            heads[head] = max(heads.get(head, 0), len(value))
        #: The beginning of a value → how long it is.
        self._heads = sorted(heads.items())

    @classmethod
    def of(cls, secret: Mapping[str, str], recorded: Mapping[str, str]) -> "Masking":
        """By the Secret's values; `recorded`: the same variables as the record shows them."""
        hidden = (
            value
            for name, value in secret.items()
            if recorded.get(name) == MASK or name not in recorded or len(value.encode()) >= _OPEN_BYTES
        )
        return cls(hidden)

    def is_quick(self, size: int) -> bool:
        """Whether lines of so many bytes together are masked at once."""
        return len(self._heads) * size < _QUICK

    def line(self, line: bytes, *, begins: bool = True, ends: bool = True) -> bytes:
        """One line without its end, masked and cut; whether it `begins` and `ends` here, or may be torn from more."""
        if not self._heads:
            return line[:LINE_BYTES]
        kept: list[bytes] = []
        end = 0
        for begin, until in sorted(self._spans(line, begins=begins, ends=ends)):
            if begin > end or not kept:
                kept += [line[end:begin], _MASK]
            end = max(end, until)
        return b"".join([*kept, line[end:]])[:LINE_BYTES]

    def _spans(self, line: bytes, *, begins: bool, ends: bool) -> Iterator[tuple[int, int]]:
        """Where values are, in no order; they may overlap."""
        for head, length in self._heads:
            at = line.find(head)
            while at >= 0:
                yield at, at + length
                # The last that overlaps with this one: those between them are masked with the two.
                overlapping = line.rfind(head, at + 1, at + 2 * len(head) - 1)
                at = overlapping if overlapping >= 0 else line.find(head, at + len(head))
        if not begins:
            yield from self._rests(line)
        if len(line) >= _PERHAPS_CUT:
            yield from self._cut_off(line, 1)
        elif not ends:
            yield from self._cut_off(line, _TORN_BYTES)

    def _rests(self, line: bytes) -> Iterator[tuple[int, int]]:
        """The end of a value at the beginning of a line."""
        first = line[:_HEAD_BYTES]
        for value in self._values if len(first) >= _TORN_BYTES else ():
            if (at := value.find(first)) >= 0:
                yield 0, len(value) - at
                continue
            for size in range(min(len(value), len(first)) - 1, _TORN_BYTES - 1, -1):
                if line.startswith(value[-size:]):
                    yield 0, size
                    break

    def _cut_off(self, line: bytes, least: int) -> Iterator[tuple[int, int]]:
        """The beginning of a value at the end of a line, too short to be known as one elsewhere."""
        for head, _ in self._heads:
            for size in range(min(len(head) - 1, len(line)), least - 1, -1):
                if line.endswith(head[:size]):
                    yield len(line) - size, len(line)
                    break


def _lines(value: str) -> Iterator[bytes]:
    """What of a value may stand in one line. The mask itself hides nothing."""
    lines = [line.strip().encode(errors="surrogatepass") for line in value.split("\n")]
    least = 1 if len(lines) == 1 else _LINE_OF_VALUE_BYTES
    return (line for line in lines if len(line) >= least and line.strip(b"*"))
