"""A gzipped tar as a row of gzip members.

A gzip file may be a row of members (RFC 1952, 2.2), and every reader takes their contents as one. So each log can be
compressed by itself, by its reader, and what tar wants to know before a file's content, its size, is known by
then, while no more of it than its compressed form is kept anywhere.
"""

import gzip
import tarfile
import time
from collections.abc import Iterable
from typing import Protocol


class Target(Protocol):
    def write(self, data: bytes) -> int: ...


class Archive:
    """Written from the front to the end, never back: the target may be an upload."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def add(self, name: str, size: int, members: Iterable[bytes]) -> None:
        """A file of so many bytes, whose content comes as whole gzip members, in pieces of any size."""
        header = tarfile.TarInfo(name)
        header.size, header.mtime, header.mode = size, int(time.time()), 0o644
        self._plain(header.tobuf(tarfile.PAX_FORMAT))
        for piece in members:
            self._target.write(piece)
        self._plain(b"\0" * (-size % tarfile.BLOCKSIZE))

    def add_text(self, name: str, text: str) -> None:
        content = text.encode()
        self.add(name, len(content), [gzip.compress(content)])

    def close(self) -> None:
        """The two empty blocks that end a tar; without them a reader warns that it is cut."""
        self._plain(b"\0" * (2 * tarfile.BLOCKSIZE))

    def _plain(self, content: bytes) -> None:
        if content:
            self._target.write(gzip.compress(content))
