"""Packing a job's output as it is read: of each node and step what was written last (contract: Stored output)."""

import asyncio
import gzip
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from service.domain.job_output import Missing, OutputGap, OutputLine
from service.domain.output_index import OutputIndex, Part
from service.domain.step_pod import StepPod

#: Bytes kept of each node and step, from the end; as they are read, before they are packed.
MOST_BYTES = 10 * 2**20
#: What is packed at a time, and dropped at a time.
_PIECE_BYTES = 128 * 1024
#: A pack is written once it has so many.
_PACK_BYTES = 8 * 2**20
#: Packed bytes of one job. What comes after them is not stored.
MOST_OF_A_JOB = 2**30

#: Writes the pack of that number.
Write = Callable[[int, bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Piece:
    pod: str
    packed: bytes
    size: int


@dataclass(slots=True)
class _Kept:
    """The last pieces of one node and step, whatever attempts wrote them."""

    pieces: deque[_Piece] = field(default_factory=deque)
    size: int = 0

    def add(self, piece: _Piece) -> None:
        self.pieces.append(piece)
        self.size += piece.size
        while self.size - self.pieces[0].size >= MOST_BYTES:
            self.size -= self.pieces.popleft().size


@dataclass(slots=True)
class OutputPacker:
    """A sink of service.jobs.reading_output, which reads one node after another."""

    write: Write
    #: Pods whose node does not answer.
    unreachable: set[str] = field(default_factory=set)
    _pods: dict[str, StepPod] = field(default_factory=dict)
    _parts: list[Part] = field(default_factory=list)
    #: Of the nodes that are being read, by step.
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _nodes: tuple[str, ...] = ()
    #: What is not packed yet, and whose it is.
    _open: bytearray = field(default_factory=bytearray)
    _of: StepPod | None = None
    _pack: bytearray = field(default_factory=bytearray)
    _packs: int = 0
    _written: int = 0

    async def __call__(self, found: Sequence[OutputLine | OutputGap]) -> None:
        for item in found:
            if item.pod is None:
                continue
            if item.pod.name not in self._pods or self._of != item.pod:
                await self._turn_to(item.pod)
            if isinstance(item, OutputLine):
                self._open += _as_read(item)
            elif item.reason is Missing.UNREACHABLE:
                self.unreachable.add(item.pod.name)
            if len(self._open) >= _PIECE_BYTES:
                await self._pack_piece()

    async def finish(self) -> OutputIndex:
        """Write what is left; what is where."""
        await self._end_nodes()
        await self._write_pack()
        return OutputIndex(tuple(self._pods.values()), tuple(self._parts), self._packs)

    async def _turn_to(self, pod: StepPod) -> None:
        if pod.nodes != self._nodes:
            await self._end_nodes()
        else:
            await self._pack_piece()
        self._pods[pod.name] = self._of = pod
        self._nodes = pod.nodes

    async def _pack_piece(self) -> None:
        if self._of is None or not self._open:
            return
        raw = bytes(self._open)
        self._open.clear()
        packed = await asyncio.to_thread(gzip.compress, raw, 6, mtime=0)
        self._kept.setdefault(self._of.step, _Kept()).add(_Piece(self._of.name, packed, len(raw)))

    async def _end_nodes(self) -> None:
        """Nothing more comes of these nodes: what is kept of them goes into packs."""
        await self._pack_piece()
        for kept in self._kept.values():
            for piece in kept.pieces:
                await self._put(piece)
        self._kept.clear()

    async def _put(self, piece: _Piece) -> None:
        if self._written + len(self._pack) + len(piece.packed) > MOST_OF_A_JOB:
            return
        offset, length = len(self._pack), len(piece.packed)
        before = self._parts[-1] if self._parts else None
        if before and (before.pod, before.pack) == (piece.pod, self._packs):
            self._parts[-1] = Part(before.pod, before.pack, before.offset, before.length + length)
        else:
            self._parts.append(Part(piece.pod, self._packs, offset, length))
        self._pack += piece.packed
        if len(self._pack) >= _PACK_BYTES:
            await self._write_pack()

    async def _write_pack(self) -> None:
        if not self._pack:
            return
        await self.write(self._packs, bytes(self._pack))
        self._written += len(self._pack)
        self._packs += 1
        self._pack.clear()


def _as_read(line: OutputLine) -> bytes:
    """As the kubelet hands it out: of a step of several nodes with the node that it is about."""
    node = f"{line.node}: ".encode() if line.pod.shared and line.node else b""
    return line.line.time.encode() + b" " + node + line.text + b"\n"
