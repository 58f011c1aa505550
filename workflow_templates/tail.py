"""The end of a stream that may be endless."""


class Tail:
    """Keeps the last whole lines of what it is fed, at most `size` bytes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept = bytearray()
        self._cut = False

    def feed(self, chunk: bytes) -> None:
        self._kept += chunk
        if len(self._kept) > self._size:
            del self._kept[: -self._size]
            self._cut = True

    @property
    def is_cut(self) -> bool:
        """Whether there was more than is kept."""
        return self._cut

    def lines(self) -> bytes:
        """What is kept: a first line that lost its beginning is left out, unless it is all there is."""
        kept = bytes(self._kept)
        if not self._cut:
            return kept
        broken, newline, whole = kept.partition(b"\n")
        return whole if newline and whole else broken

    def text(self) -> str:
        """The same as text."""
        return last_bytes(self.lines().decode(errors="replace").rstrip("\n"), self._size)


def last_bytes(text: str, size: int) -> str:
    """The end of a text that fits into so many bytes of UTF-8."""
    encoded = text.encode()
    return encoded[max(0, len(encoded) - size) :].decode(errors="ignore")
