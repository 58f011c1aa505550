"""Server-sent events, as they come over the wire.

Not httpx-sse: it drops comments, which are the sign that a connection is alive, and does not say which events came in
one piece, which is what a screen is drawn after.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """`id` is where a later connection goes on."""

    name: str
    data: str
    id: str


def batches(pieces: Iterable[bytes]) -> Iterator[list[Event]]:
    """The events that each piece made whole; an empty list says only that the connection is alive.

    What was not whole at the end is dropped: it comes again after its `Last-Event-ID`.
    """
    rest, reader = b"", _Reader()
    for piece in pieces:
        lines = (rest + piece).splitlines(keepends=True)
        rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        yield [event for line in lines if (event := reader.read(line.rstrip(b"\r\n")))]


class _Reader:
    """Takes a line at a time, without its end."""

    def __init__(self) -> None:
        self._name, self._last_id = "", ""
        self._data: list[bytes] = []

    def read(self, line: bytes) -> Event | None:
        """The event that this line, an empty one, makes whole."""
        if not line:
            return self._whole()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match field:
            case b"data":
                self._data.append(value)
            case b"event":
                self._name = value.decode(errors="replace")
            case b"id" if value.isascii() and b"\0" not in value:
                self._last_id = value.decode()
            case _:
                pass  # a comment, or what a later standard knows
        return None

    def _whole(self) -> Event | None:
        name, data = self._name or "message", self._data
        self._name, self._data = "", []
        return Event(name, b"\n".join(data).decode(errors="replace"), self._last_id) if data else None
