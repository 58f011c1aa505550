"""A job's output from the object store, once its pods are gone: read as if kubelets still had it."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import structlog

from service.domain.output_index import BadIndexError, OutputIndex, Part, index_key, pack_key
from service.domain.step_pod import StepPods
from service.jobs.packing_output import MOST_BYTES
from service.jobs.ports import GoneFromNodeError, StepOutput
from service.jobs.store_ports import NoSuchObjectError, RefusedByStoreError, StoredObjects

log = structlog.get_logger()

_MOST_INDEX_BYTES = 16 * 2**20
#: What is unpacked at a time, and of one part at all: what lies there may be another's.
_PIECE_BYTES = 64 * 1024
_MOST_UNPACKED = 2 * MOST_BYTES
#: What is read before others have their turn: some hundred lines.
_TURN_BYTES = 4 * 1024
_GZIP = 16 + zlib.MAX_WBITS


async def read_index(store: StoredObjects, job_id: str) -> OutputIndex | None:
    """What is stored of a job's output; None: nothing.

    Raises:
        UnavailableError: the store does not answer.
    """
    found = bytearray()
    try:
        async with store.open(index_key(job_id), {}) as stored:
            async for piece in stored.pieces:
                found += piece
                if len(found) > _MOST_INDEX_BYTES:
                    break  # it is none
        return OutputIndex.of(bytes(found))
    except (NoSuchObjectError, RefusedByStoreError):
        # A key that may not list is refused where there is nothing.
        return None
    except BadIndexError as error:
        log.warning("what is stored of a job's output cannot be read", job_id=job_id, reason=str(error))
        return None


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """Fills service.jobs.ports.StepOutput for one job. What it reads is masked already."""

    store: StoredObjects
    job_id: str
    index: OutputIndex
    live: StepOutput

    def now(self) -> datetime:
        return self.live.now()

    async def step_pods(self, _job_id: str) -> StepPods:
        return StepPods(self.index.pods, over=True)

    async def log(
        self, pod: str, *, follow: bool, since: str = "", tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """All of it: who reads passes over what they do not want, and it is bounded."""
        del follow, since, tail
        parts = self.index.parts_of(pod)
        if not parts:
            raise GoneFromNodeError(f"nothing is stored of what {pod} wrote")
        for part in parts:
            async with aclosing(self._read(part)) as pieces:
                async for piece in pieces:
                    for begin in range(0, len(piece), _TURN_BYTES):
                        yield piece[begin : begin + _TURN_BYTES]
                        # What is packed well is all there at once: others have their turn between its lines.
                        await asyncio.sleep(0)

    async def secret_values(self, _job_id: str) -> Mapping[str, str] | None:
        return None

    async def _read(self, part: Part) -> AsyncGenerator[bytes, None]:
        asked = {"Range": f"bytes={part.offset}-{part.offset + part.length - 1}"}
        try:
            async with self.store.open(pack_key(self.job_id, part.pack), asked) as stored:
                if stored.status is not HTTPStatus.PARTIAL_CONTENT:
                    raise GoneFromNodeError(f"the object store has another pack {part.pack} of {self.job_id}")
                async for piece in _unpacked(stored.pieces):
                    yield piece
        except (NoSuchObjectError, zlib.error) as error:
            raise GoneFromNodeError(str(error)) from error


async def _unpacked(packed: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The text of gzip members one after another."""
    left = _MOST_UNPACKED
    member = zlib.decompressobj(_GZIP)
    async for piece in packed:
        rest = piece
        while rest:
            for text in _members(member, rest):
                left -= len(text)
                if left < 0:
                    raise zlib.error("it unpacks to more than was stored")
                yield text
            rest = member.unused_data
            if member.eof:
                member = zlib.decompressobj(_GZIP)


def _members(member: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """What comes out of one member, as far as it goes, in bounded pieces."""
    while packed and not member.eof:
        text = member.decompress(packed, _PIECE_BYTES)
        packed = member.unconsumed_tail
        if text:
            yield text
