"""How far the reader of a job's output is, as the id of an event: Last-Event-ID goes on from there.

A job's steps write side by side, one track for each node and one for the steps of the whole job. An id names for each
track the pod and the line that was sent last; the service itself remembers nothing, so any replica can go on.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from service.domain.log_lines import Position

_ENTRY = re.compile(r"([a-z0-9-]{0,12})\.([0-9a-f]{8})\.([0-9a-f]{1,16})\.([0-9a-f]{1,8})")
_BEGUN = re.compile(r"[0-9]{1,12}")
#: Of an id; a header of 16 KiB is the most that is read.
MOST_CHARACTERS = 14_000


class BadPositionError(ValueError):
    """It is no id that this service sent."""


@dataclass(frozen=True, slots=True)
class TrackPosition:
    #: Which pod of the track, by `pod_key`.
    pod: str
    line: Position


@dataclass(slots=True)
class LogPosition:
    """Grows with every line that is sent."""

    #: When the first of these connections began, in seconds since 1970.
    begun: int
    tracks: dict[str, TrackPosition] = field(default_factory=dict)
    #: The track that was written last, and what stands before its entry in an id.
    _last: tuple[str, str] = ("?", "")

    @classmethod
    def of(cls, event_id: str) -> "LogPosition":
        """Raises BadPositionError."""
        begun, *entries = event_id.split("~")
        found = [_ENTRY.fullmatch(entry) for entry in entries]
        if len(event_id) > MOST_CHARACTERS or not _BEGUN.fullmatch(begun) or None in found:
            raise BadPositionError
        tracks = {
            match[1]: TrackPosition(match[2], Position(int(match[3], 16), int(match[4], 16)))
            for match in found
            if match is not None
        }
        return cls(int(begun), tracks)

    def id_after(self, track: str, pod: str, line: Position) -> str:
        """Note that this line was sent; the id of its event."""
        if self._last[0] != track:
            self.tracks.pop(track, None)
            self._last = track, f"{self.begun}{_joined(self.tracks)}~{track}."
        self.tracks[track] = TrackPosition(pod, line)
        return f"{self._last[1]}{pod}.{line.at:x}.{line.number:x}"

    def forget(self, track: str, created: int) -> None:
        """The track has ended with a pod of that time: none as old is begun by whoever goes on."""
        self.tracks.pop(track, None)
        self.begun = max(self.begun, created + 1)
        self._last = "?", ""


def pod_key(name: str) -> str:
    return f"{zlib.crc32(name.encode()):08x}"


def _joined(tracks: Mapping[str, TrackPosition]) -> str:
    return "".join(
        f"~{track}.{position.pod}.{position.line.at:x}.{position.line.number:x}" for track, position in tracks.items()
    )
