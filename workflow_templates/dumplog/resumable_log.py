"""One log being taken into files, however often its reading has to begin again."""

import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from workflow_templates.dumplog.logs import Log
from workflow_templates.dumplog.spool import Spool

#: Little more than no compression costs, and logs repeat themselves.
_LEVEL = 1
_GZIP = 31


class OtherLogError(Exception):
    """What is read now does not begin as what was read before."""


class _Part:
    """One file, being filled."""

    def __init__(self, spool: Spool[Log]) -> None:
        self.kept = 0
        self.spool = spool
        self._file: BinaryIO = spool.file.open("wb")
        self._compressor = zlib.compressobj(_LEVEL, wbits=_GZIP)

    def add(self, content: bytes) -> None:
        self.spool.size += len(content)
        self.kept += self._file.write(self._compressor.compress(content))

    def closed(self) -> Spool[Log]:
        self._file.write(self._compressor.flush())
        self._file.close()
        return self.spool


class ResumableLog:
    """What was read of a log is kept: a response that begins again is passed over as far as that.

    A file is full with `limit` compressed bytes; what comes then goes into another, which `new` names by its number.
    """

    def __init__(self, limit: int, new: Callable[[int], Spool[Log]]) -> None:
        #: Uncompressed, in all files.
        self.bytes = 0
        self._limit = limit
        self._new = new
        self._parts = 0
        self._part: _Part | None = None
        self._sum = 0
        self._to_pass = 0
        self._passed_sum = 0

    def begin(self) -> None:
        """From here on comes a response from the log's beginning."""
        self._to_pass, self._passed_sum = self.bytes, 0

    @property
    def is_passing(self) -> bool:
        """Whether what came was all had before."""
        return self._to_pass > 0

    def take(self, content: bytes) -> Iterator[Spool[Log]]:
        """The next bytes; yields the file that is full with them. Raises OtherLogError."""
        content = self._passed_over(content)
        if not content:
            return
        self.bytes += len(content)
        self._sum = zlib.crc32(content, self._sum)
        part = self._open()
        part.add(content)
        if part.kept > self._limit:
            self._part = None
            yield part.closed()

    def rest(self) -> Iterator[Spool[Log]]:
        """The last file; an empty one where nothing came at all."""
        if self._part or not self._parts:
            yield self._open().closed()

    def _open(self) -> _Part:
        if self._part is None:
            self._parts += 1
            self._part = _Part(self._new(self._parts))
        return self._part

    def _passed_over(self, content: bytes) -> bytes:
        if not self._to_pass:
            return content
        again, content = content[: self._to_pass], content[self._to_pass :]
        self._to_pass -= len(again)
        self._passed_sum = zlib.crc32(again, self._passed_sum)
        if not self._to_pass and self._passed_sum != self._sum:
            raise OtherLogError
        return content
