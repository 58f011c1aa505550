"""Responses that last: output and events as they come, and large files on their way through (docs/following.md).

A stream ends when its source does, its reader goes or is too far behind, its token or its right is withdrawn, or the
process is asked to stop. Only the first is the end of what was asked for.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import Response
from starlette.types import Receive, Scope, Send

from service.api import server_sent_events
from service.api.caller import CallerDep
from service.api.dependencies import Services
from service.api.open_streams import OpenStreams
from service.api.outbox import FarBehindError, Outbox
from service.api.problems import Problem
from service.connection_timeouts import ABORT
from service.jobs.ports import TooFarBehindError, UnavailableError

log = structlog.get_logger()

#: Seconds between two looks at the token and the right. What Kubernetes said of them is kept 8 s, so that a stream
#: whose right was withdrawn ends within 10.
LOOK_SECONDS = 2.0
#: A stream goes on this long while Kubernetes does not say whose its token is.
UNKNOWN_SECONDS = 30.0
COMMENT_SECONDS = 15.0
#: For the last bytes of a stream that is ended.
_LAST_SECONDS = 1.0

Source = Callable[[Outbox], Awaitable[None]]
#: Raises Problem as soon as the caller may not read on.
StillAllowed = Callable[[], Awaitable[None]]


async def within_stream_limit(services: Services, who: CallerDep) -> AsyncIterator[None]:
    """One of the caller's streams until the response is over; 429 where all are taken."""
    with services.streams.take(who.user_id):
        yield


class StreamResponse(Response):
    """Sends what `source` puts into the outbox until it returns.

    A source that fails ends the stream; why is in the service's log, for the status was sent before.
    """

    def __init__(  # noqa: PLR0913 - what every response has, and what this one is about
        self,
        streams: OpenStreams,
        source: Source,
        still_allowed: StillAllowed,
        *,
        media_type: str = server_sent_events.MEDIA_TYPE,
        headers: Mapping[str, str] | None = None,
        status_code: int = HTTPStatus.OK,
    ) -> None:
        self.status_code = status_code
        self.media_type = media_type
        self.background = None
        self._events = media_type == server_sent_events.MEDIA_TYPE
        self._streams, self._source, self._still_allowed = streams, source, still_allowed
        # A proxy that gathers a response before it passes it on would show nothing of a job that runs.
        kept = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
        self.init_headers({**kept, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        outbox = Outbox(self._streams.outboxes)
        delivery = asyncio.create_task(_deliver(outbox, send))
        ends: list[Coroutine[Any, Any, object]] = [
            _gone(receive),
            self._streams.ending.wait(),
            self._until_not_allowed(),
            _until_behind(outbox),
        ]
        if self._events:
            ends.append(_comment(outbox))
        source = asyncio.create_task(self._fill(outbox))
        others = [asyncio.create_task(end) for end in ends]
        try:
            await asyncio.wait([delivery, *others], return_when=asyncio.FIRST_COMPLETED)
            whole = delivery.done() and delivery.exception() is None and await source
        finally:
            for task in (delivery, source, *others):
                task.cancel()
            await asyncio.gather(delivery, source, *others, return_exceptions=True)
            outbox.close()
        # A stream of events says by its own last event whether it is whole; other text only by the response's end.
        if whole or (self._events and not outbox.behind):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), _LAST_SECONDS)
                return
        if abort := scope.get("extensions", {}).get(ABORT):
            abort()
            await _gone(receive)

    async def _fill(self, outbox: Outbox) -> bool:
        """Whether the source ended by itself."""
        try:
            await self._source(outbox)
        except (FarBehindError, TooFarBehindError):
            return False
        except (UnavailableError, Problem) as error:
            log.warning("a stream's source failed", reason=str(error))
            return False
        except Exception:
            log.exception("unexpected")
            return False
        finally:
            await outbox.finish()
        return True

    async def _until_not_allowed(self) -> None:
        unknown = 0.0
        while unknown < UNKNOWN_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._still_allowed()
                unknown = 0.0
            except UnavailableError:
                unknown += LOOK_SECONDS
            except Problem as problem:
                if problem.status is not HTTPStatus.SERVICE_UNAVAILABLE:
                    return
                unknown += LOOK_SECONDS


async def _deliver(outbox: Outbox, send: Send) -> None:
    while chunk := await outbox.take():
        # Returns when the connection's own buffer has room again.
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _until_behind(outbox: Outbox) -> None:
    # Looked at: time alone makes a reader be behind.
    while not outbox.behind:  # noqa: ASYNC110 - see above
        await asyncio.sleep(1)


async def _comment(outbox: Outbox) -> None:
    with contextlib.suppress(FarBehindError):
        while True:
            await asyncio.sleep(COMMENT_SECONDS)
            await outbox.put(server_sent_events.COMMENT)
