"""A client of a job's output or events, as a browser's EventSource is one: it goes on where it was."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.live import Api, wait_for

#: Of the stream that it reads; nothing is a comment each 15 s.
_SILENCE = 60


@dataclass
class Follower:
    """Reads events in a thread of its own until `end`, a refusal, or `close`; connects again whenever it is cut off."""

    api: Api
    path: str
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    connections: int = 0
    #: The status that ended it; 0: none did.
    refused: int = 0
    ended: bool = False
    _last: str = ""
    _closed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def texts(self) -> list[str]:
        return [data["text"] for name, data in list(self.events) if name == "line"]

    @property
    def gaps(self) -> list[dict[str, Any]]:
        return [data for name, data in list(self.events) if name == "gap"]

    def until_ended(self) -> None:
        wait_for(f"the end of {self.path}; so far: {self.events[-3:]}", lambda: self.ended or self.refused)

    def close(self) -> None:
        self._closed.set()

    def _run(self) -> None:
        while not self.ended and not self.refused and not self._closed.is_set():
            with contextlib.suppress(httpx.TransportError):
                self._read()
            time.sleep(0.2)

    def _read(self) -> None:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": self._last} if self._last else {})}
        with self.api.client.stream("GET", self.path, headers=headers, timeout=_SILENCE) as answer:
            if answer.status_code in (429, 503):
                return
            if answer.status_code != httpx.codes.OK:
                self.refused = answer.status_code
                return
            self.connections += 1
            for event in _blocks(answer.iter_lines()):
                self._last = event.get("id", self._last)
                if "event" in event:
                    self.events.append((event["event"], json.loads(event["data"])))
                    self.ended = self.ended or event["event"] == "end"
                if self._closed.is_set():
                    return


def _blocks(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    block: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            block[name] = value
        else:
            yield block
            block = {}
