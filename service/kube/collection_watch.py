"""What happens to the objects of a collection, for ever: list, then watch, and list again when the thread is lost."""

import asyncio
import json
import random
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import structlog

from service.jobs.ports import UnavailableError
from service.kube.client import METADATA, Api, GoneError, Object
from service.metrics import WATCH_RESTARTS

log = structlog.get_logger()

Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class Pace:
    """All in seconds. The apiserver sends a bookmark a minute, so a longer silence is a dead connection."""

    watch: float = 290
    jitter: float = 10
    silence: float = 75
    resync: float = 600
    backoff: float = 1
    backoff_limit: float = 30


class CollectionWatch(ABC, Generic[Event]):
    """One endless reader of one collection, narrowed by a query."""

    #: What is watched, in a log line.
    what: ClassVar[str]
    #: What a list means that Kubernetes has no path for.
    absent: ClassVar[str] = "Kubernetes lists nothing there"
    #: Only the objects' metadata is asked for.
    metadata: ClassVar[bool] = False

    def __init__(self, api: Api, path: str, query: Mapping[str, str | int], pace: Pace | None = None) -> None:
        self._api = api
        self._path = path
        self._query = query
        self._pace = pace or Pace()
        self._version = ""  # where the watch goes on; empty: list first
        self._list_again_at = 0.0
        self._failures = 0

    @property
    def is_healthy(self) -> bool:
        """Whether nothing has failed since something came last."""
        return bool(self._version) and not self._failures

    @abstractmethod
    def event(self, item: Object, *, deleted: bool = False, listed: bool = False) -> Event:
        """What is passed on of an object."""

    @abstractmethod
    def relisted(self, listed: Sequence[Event], version: str) -> Event:
        """What is passed on at the end of a list."""

    async def events(self) -> AsyncGenerator[Event, None]:
        """Every object once per list (then what `relisted` says), and each change as it happens.

        The same state may come twice, and states in between may be left out. Never ends, never raises: while the
        apiserver is away it waits and tries again.
        """
        while True:
            try:
                if not self._version or time.monotonic() >= self._list_again_at:
                    for event in await self._list():
                        yield event
                begun = time.monotonic()
                async for event in self._watch():
                    yield event
                await self._settle(time.monotonic() - begun)
            except GoneError:
                WATCH_RESTARTS.labels("expired").inc()
                log.info("a watch lost its place and lists again", of=self.what, resource_version=self._version)
                await self._start_over()
            except (UnavailableError, ValueError, LookupError) as error:  # the last two: half a line
                WATCH_RESTARTS.labels("interrupted").inc()
                log.warning("watch interrupted", of=self.what, cause=str(error), failures=self._failures + 1)
                await self._pause()

    async def _list(self) -> list[Event]:
        """Read to the end before anything is passed on: a slow reader would outlive the apiserver's continue token."""
        events: list[Event] = []
        version = ""
        async for page in self._api.pages(self._path, self._query, metadata=self.metadata):
            events += [self.event(item, listed=True) for item in page["items"] or ()]
            version = page["metadata"]["resourceVersion"]
        if not version:
            raise UnavailableError(self.absent)
        self._version = version
        self._list_again_at = time.monotonic() + self._pace.resync
        return [*events, self.relisted(events, version)]

    async def _watch(self) -> AsyncGenerator[Event, None]:
        until_list = self._list_again_at - time.monotonic()
        seconds = min(self._pace.watch + random.uniform(0, self._pace.jitter), until_list)  # noqa: S311 - no secret
        query: dict[str, str | int] = {
            **self._query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": max(1, round(seconds)),
        }
        async for line in self._api.lines(
            self._path, query, accept=METADATA if self.metadata else "application/json", silence=self._pace.silence
        ):
            change = json.loads(line)
            if change["type"] == "ERROR":
                raise event_error(change["object"], self.what)
            self._version = change["object"]["metadata"]["resourceVersion"]
            self._failures = 0
            if change["type"] != "BOOKMARK":
                yield self.event(change["object"], deleted=change["type"] == "DELETED")

    async def _settle(self, lasted: float) -> None:
        """A watch that ran its time was healthy; an apiserver that ends it at once must not be asked in a hot loop."""
        if lasted < 1:
            await self._pause()
        else:
            self._failures = 0

    async def _start_over(self) -> None:
        """List again at once the first time; an apiserver that says so again and again is given time."""
        self._version = ""
        if self._failures:
            await self._pause()
        self._failures += 1

    async def _pause(self) -> None:
        pause = min(self._pace.backoff * 2**self._failures, self._pace.backoff_limit)
        self._failures = min(self._failures + 1, 10)
        await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads replicas, hides nothing


def event_error(status: Object, what: str) -> UnavailableError:
    """The failure that an ERROR event's object describes; GoneError: the watch has lost its place."""
    code = status.get("code", 0)
    message = f"Kubernetes ended the {what} watch with {code}: {status.get('message', '')}"
    return GoneError(code, message) if code == 410 or status.get("reason") == "Expired" else UnavailableError(message)  # noqa: PLR2004 - gone
