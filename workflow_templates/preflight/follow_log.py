"""The log of one container, line by line as it is written, in a thread of its own, whatever interrupts it."""

from collections.abc import Callable, Iterator
from threading import Event, Thread

from workflow_templates.kubernetes_api import Cluster, ClusterError

#: What is longer comes in pieces.
_LINE_BYTES = 16_384
_PAUSE_SECONDS = 1.0


class Follower(Thread):
    """Reads until the container has ended and its log was read to the end once after that."""

    def __init__(self, cluster: Cluster, path: str, line: Callable[[bytes], None]) -> None:
        super().__init__(daemon=True)
        self._cluster = cluster
        self._path = path
        self._line = line
        self._last = b""
        self._ended = Event()
        self._given_up = Event()

    def container_ended(self) -> None:
        self._ended.set()

    def give_up(self) -> None:
        """Whatever is not read yet stays unread."""
        self._given_up.set()
        self._ended.set()

    def run(self) -> None:
        while not self._given_up.is_set():
            last_time = self._ended.is_set()
            try:
                self._read()
            except ClusterError:
                last_time = False
            if last_time:
                return
            self._ended.wait(_PAUSE_SECONDS)

    def _read(self) -> None:
        """From where it was left. The apiserver takes whole seconds, so lines that were read come again."""
        seen = self._last
        since = {"sinceTime": seen.decode()} if seen else {}
        with self._cluster.stream(self._path, container="main", follow="true", timestamps="true", **since) as pieces:
            for line in _lines(pieces):
                time, _, text = line.partition(b" ")
                if time <= seen:
                    continue
                seen = b""
                self._last = time
                self._line(text)
                if self._given_up.is_set():
                    return


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line[:_LINE_BYTES]
        rest = rest[:_LINE_BYTES]
    if rest:
        yield rest
