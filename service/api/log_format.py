"""A job's output as bytes: text, or server-sent events."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from service.api.outbox import Outbox
from service.api.server_sent_events import event
from service.domain.job_output import OutputGap, OutputLine
from service.domain.log_lines import rfc3339_nanoseconds

Found = Sequence[OutputLine | OutputGap]

#: Bytes that are put into an outbox at a time.
_PIECE = 32 * 1024


class LogText:
    """Lines; where there are several nodes, each begins with its node's name, or a dash for the whole job's steps."""

    def __init__(self, outbox: Outbox, *, names_nodes: bool) -> None:
        self._outbox, self._names_nodes = outbox, names_nodes

    async def __call__(self, found: Found) -> None:
        await _put(self._outbox, (self._line(line) for line in found if isinstance(line, OutputLine)))

    def _line(self, line: OutputLine) -> bytes:
        prefix = f"{line.node or '-'}: ".encode() if self._names_nodes else b""
        return prefix + line.text + b"\n"


class LogEvents:
    """`line` and `gap` as the contract has them."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def __call__(self, found: Found) -> None:
        await _put(self._outbox, map(_event, found))

    async def end(self) -> None:
        await self._outbox.put(event("end", {}), live=False)


def _event(found: OutputLine | OutputGap) -> bytes:
    where: dict[str, Any] = {
        "node": found.node,
        "step": found.pod.step if found.pod else "",
        "attempt": found.pod.attempt if found.pod else 0,
    }
    if isinstance(found, OutputLine):
        text = found.text.decode(errors="replace")
        return event("line", {**where, "time": found.line.time, "text": text}, found.event_id)
    times = {"since": _time(found.since), "until": _time(found.until)}
    return event("gap", {**where, **times, "reason": found.reason})


def _time(at: int) -> str:
    return rfc3339_nanoseconds(at) if at else ""


async def _put(outbox: Outbox, chunks: Iterable[bytes]) -> None:
    for piece in _pieces(chunks):
        # Output lies at its node: it can wait there for a reader who is slow.
        await outbox.put(piece, live=False)
        # Whoever reads very much leaves others their turn.
        await asyncio.sleep(0)


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    kept: list[bytes] = []
    size = 0
    for chunk in chunks:
        kept.append(chunk)
        size += len(chunk)
        if size >= _PIECE:
            yield b"".join(kept)
            kept, size = [], 0
    if kept:
        yield b"".join(kept)
