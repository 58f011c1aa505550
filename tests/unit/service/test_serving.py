"""The real server on a port: SIGTERM does not wait for streams, and a text that is cut is seen to be."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from service.api.open_streams import OpenStreams
from service.api.outbox import Outbox
from service.api.streams import StreamResponse
from service.connection_timeouts import ConnectionTimeouts, Unread, guarded
from service.serving import Server


async def for_ever(outbox: Outbox) -> None:
    await outbox.put(b"first\n")
    await asyncio.Event().wait()


async def allowed() -> None:
    pass


def app_of(media_type: str) -> FastAPI:
    app, streams = FastAPI(), OpenStreams()
    app.state.dependencies = SimpleNamespace(streams=streams)

    @app.get("/")
    async def follow() -> StreamResponse:
        return StreamResponse(streams, for_ever, allowed, media_type=media_type)

    return app


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[tuple[Server, asyncio.Task[None], str]]:
    http = guarded(ConnectionTimeouts(header=10, body=10, write=10), Unread(2**20))
    server = Server(uvicorn.Config(app, http=http, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve([listening]))
        yield server, running, f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        await running


async def test_events_end_whole_when_the_service_stops() -> None:
    async with serving(app_of("text/event-stream")) as (server, running, url), httpx.AsyncClient() as client:
        async with client.stream("GET", url) as answer:
            chunks = answer.aiter_bytes()
            assert await anext(chunks) == b"first\n"
            server.should_exit = True
            assert [chunk async for chunk in chunks] == []
        await asyncio.wait_for(running, 30)


async def test_a_text_that_is_cut_off_is_seen_not_to_be_whole(caplog: pytest.LogCaptureFixture) -> None:
    async with serving(app_of("text/plain")) as (server, running, url), httpx.AsyncClient() as client:
        async with client.stream("GET", url) as answer:
            chunks = answer.aiter_bytes()
            assert await anext(chunks) == b"first\n"
            server.should_exit = True
            with pytest.raises(httpx.RemoteProtocolError):
                await anext(chunks)
        await asyncio.wait_for(running, 30)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
