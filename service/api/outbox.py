"""What waits for the reader of one stream: bounded, so that a reader who does not read costs little."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field

#: Bytes and seconds that a reader may be behind (contract: Following a job).
MOST_BYTES = 2**20
MOST_SECONDS = 30.0
#: Bytes that wait for all readers of a replica together. With more, who is furthest behind is ended.
MOST_OF_ALL = 32 * 2**20
#: Bytes handed over at a time, and how far ahead of its reader a source that can wait may be.
_PIECE = 64 * 1024


class FarBehindError(Exception):
    """The reader is ended: it is too far behind."""


@dataclass(eq=False, slots=True)
class Outboxes:
    """All that are open, and what waits in them together."""

    most: int = MOST_OF_ALL
    open: set["Outbox"] = field(default_factory=set)
    waiting: int = 0

    def count(self, more: int) -> None:
        """So many more bytes wait, or fewer; where that is too many, whoever is furthest behind is ended."""
        self.waiting += more
        if self.waiting > self.most:
            max(self.open, key=lambda outbox: outbox.size).fall_behind()


class Outbox:
    """Filled by a source, emptied by the connection. Counted among all until it is closed."""

    def __init__(self, all_of_them: Outboxes, most_bytes: int = MOST_BYTES, most_seconds: float = MOST_SECONDS) -> None:
        self._all = all_of_them
        self._most_bytes = most_bytes
        self._most_seconds = most_seconds
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._changed = asyncio.Condition()
        self._behind = self._finished = False
        self.size = 0
        all_of_them.open.add(self)

    async def put(self, chunk: bytes, *, live: bool = True) -> None:
        """Add whole lines or events. What is not `live` can wait at its source, and does while the reader is busy.

        Raises:
            FarBehindError: the reader is ended.
        """
        if not chunk:
            return  # to its reader an empty one is the end
        async with self._changed:
            while not live and self.size >= _PIECE and not self._behind:
                await self._changed.wait()
            if self._behind or self.size + len(chunk) > self._most_bytes + _PIECE:
                self._behind = True
                self._changed.notify_all()
                raise FarBehindError
            self._chunks.append((time.monotonic(), chunk))
            self._count(len(chunk))
            self._changed.notify_all()

    async def take(self) -> bytes:
        """What waits, at most some 64 KiB of it, as soon as there is any; empty: the source has ended.

        Raises:
            FarBehindError: the reader is ended.
        """
        async with self._changed:
            while not self._chunks and not self._finished and not self._behind:
                await self._changed.wait()
            if self._behind:
                raise FarBehindError
            taken: list[bytes] = []
            size = 0
            while self._chunks and size < _PIECE:
                taken.append(self._chunks.popleft()[1])
                size += len(taken[-1])
            self._count(-size)
            self._changed.notify_all()
            return b"".join(taken)

    async def finish(self) -> None:
        """The source has ended: what waits is still read."""
        async with self._changed:
            self._finished = True
            self._changed.notify_all()

    @property
    def behind(self) -> bool:
        """Whether the reader is ended, or is to be because something has waited for it too long."""
        waited = time.monotonic() - self._chunks[0][0] if self._chunks else 0.0
        return self._behind or waited > self._most_seconds

    def fall_behind(self) -> None:
        """End this reader: all that wait together are too much. What waits is dropped now."""
        self._behind = True
        self._chunks.clear()
        self._count(-self.size)

    def close(self) -> None:
        """Nothing more is put or taken."""
        self._chunks.clear()
        self._count(-self.size)
        self._all.open.discard(self)

    def _count(self, more: int) -> None:
        self.size += more
        self._all.count(more)
