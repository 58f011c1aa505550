"""What happens to our Workflows, for ever: list, then watch from there, and list again when the thread is lost.

Only metadata is asked for: ten thousand live Workflows cost a few megabytes once, and nothing is kept.
"""

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import structlog

from service.jobs.ports import UnavailableError, WorkflowEvent
from service.kube.client import METADATA, Api, GoneError, Object
from service.metrics import WATCH_RESTARTS

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """All in seconds. The apiserver sends a bookmark a minute, so a longer silence is a dead connection."""

    watch: float = 290
    jitter: float = 10
    silence: float = 75
    resync: float = 600
    backoff: float = 1
    backoff_limit: float = 30


class WorkflowWatch:
    """One endless reader of one collection, narrowed by a label selector."""

    def __init__(self, api: Api, path: str, selector: str, pace: Pace | None = None) -> None:
        self._api = api
        self._path = path
        self._selector = selector
        self._pace = pace or Pace()
        self._version = ""  # where the watch goes on; empty: list first
        self._list_again_at = 0.0
        self._failures = 0

    async def events(self) -> AsyncGenerator[WorkflowEvent, None]:
        """Every Workflow once per list (then `name` None with all that exist), and each change as it happens.

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
                log.info("workflow watch lost its place and lists again", resource_version=self._version)
                await self._start_over()
            except (UnavailableError, ValueError, LookupError) as error:  # the last two: half a line
                WATCH_RESTARTS.labels("interrupted").inc()
                log.warning("workflow watch interrupted", cause=str(error), failures=self._failures + 1)
                await self._pause()

    async def _list(self) -> list[WorkflowEvent]:
        """Read to the end before anything is passed on: a slow reader would outlive the apiserver's continue token."""
        events: list[WorkflowEvent] = []
        version = ""
        async for page in self._api.pages(self._path, {"labelSelector": self._selector}, metadata=True):
            events += [_event(item, listed=True) for item in page["items"] or ()]
            version = page["metadata"]["resourceVersion"]
        if not version:
            raise UnavailableError("Kubernetes has no Workflows: is Argo Workflows installed?")
        self._version = version
        self._list_again_at = time.monotonic() + self._pace.resync
        seen = frozenset(event.name for event in events if event.name)
        return [*events, WorkflowEvent(name=None, resource_version=version, seen=seen)]

    async def _watch(self) -> AsyncGenerator[WorkflowEvent, None]:
        until_list = self._list_again_at - time.monotonic()
        seconds = min(self._pace.watch + random.uniform(0, self._pace.jitter), until_list)  # noqa: S311 - no secret
        query: dict[str, str | int] = {
            "labelSelector": self._selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": max(1, round(seconds)),
        }
        async for line in self._api.lines(self._path, query, accept=METADATA, silence=self._pace.silence):
            change = json.loads(line)
            if change["type"] == "ERROR":
                raise event_error(change["object"])
            self._version = change["object"]["metadata"]["resourceVersion"]
            self._failures = 0
            if change["type"] != "BOOKMARK":
                yield _event(change["object"], deleted=change["type"] == "DELETED")

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


def _event(item: Object, *, deleted: bool = False, listed: bool = False) -> WorkflowEvent:
    metadata = item["metadata"]
    return WorkflowEvent(
        name=metadata["name"],
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        deleted=deleted,
        listed=listed,
    )


def event_error(status: Object) -> UnavailableError:
    """The failure that an ERROR event's object describes; GoneError: the watch has lost its place."""
    code = status.get("code", 0)
    message = f"Kubernetes ended the watch of Workflows with {code}: {status.get('message', '')}"
    return GoneError(code, message) if code == 410 or status.get("reason") == "Expired" else UnavailableError(message)  # noqa: PLR2004 - gone
