"""How a step sends a log on through its own: as lines, which the kubelet keeps and the archiving step reads.

A log is one gzip member in base64, a piece of it a line after the log's kind; the last line says how it went. So it
goes into the archive as it is (docs/decisions/0016), and one that lost a part on the way is known for it.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

#: 12,000 characters of base64: container runtimes take a line apart at 16 KiB.
_PIECE_BYTES = 9_000
_UNPACKED_BYTES = 1 << 20
_GZIP = 31
_END = ":"
LOST = "a part of it was lost on the way: the log of its step is not whole"


#: No line of a step's is as long as this.
_LINE_BYTES = 1 << 16


class FullError(Exception):
    """A log is longer, compressed, than it may be."""


def lines(kind: str, content: bytes, error: str) -> Iterator[bytes]:
    """A log as lines; `error` says why it, or a part of it, could not be read."""
    member = gzip.compress(content, 6)
    for begin in range(0, len(member), _PIECE_BYTES):
        yield f"{kind} {base64.b64encode(member[begin : begin + _PIECE_BYTES]).decode()}\n".encode()
    yield f"{kind}{_END} {json.dumps({'error': error})}\n".encode()


@dataclass
class RelayedLog:
    """One log being taken over into a file, as it was compressed."""

    file: BinaryIO
    #: Compressed bytes that it may have.
    limit: int
    size: int = 0
    error: str = LOST

    def __post_init__(self) -> None:
        self._unpacked = zlib.decompressobj(_GZIP)
        self._kept = 0

    def add(self, piece: bytes) -> None:
        """Raises FullError, and ValueError where this is not one gzip member."""
        self._kept += len(piece)
        if self._kept > self.limit:
            raise FullError
        self.file.write(piece)
        # What a tar says of a file's size must be so, whatever the lines are.
        try:
            while piece:
                self.size += len(self._unpacked.decompress(piece, _UNPACKED_BYTES))
                piece = self._unpacked.unconsumed_tail
        except zlib.error as fault:
            raise ValueError(f"what its step wrote is no log: {fault}") from fault
        if self._unpacked.unused_data:
            raise ValueError("what its step wrote is more than one log")

    def end(self, status: str) -> None:
        if self._unpacked.eof:
            self.error = str(json.loads(status)["error"])

    @property
    def is_whole(self) -> bool:
        return self._unpacked.eof


def take(pieces: Iterable[bytes], logs: dict[str, RelayedLog]) -> None:
    """Take the logs of these kinds over from a step's own log, which comes in pieces of any size.

    Lines that are none of ours are passed over. Raises FullError and ValueError for what no step of ours writes.
    """
    for line in _lines(pieces):
        kind, _, rest = line.partition(" ")
        if log := logs.get(kind):
            log.add(base64.b64decode(rest, validate=True))
        elif log := logs.get(kind.removesuffix(_END)):
            log.end(rest)


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    kept = b""
    for piece in pieces:
        *whole, kept = (kept + piece).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)
        if len(kept) > _LINE_BYTES:
            raise ValueError("what its step wrote is no log: a line without an end")
