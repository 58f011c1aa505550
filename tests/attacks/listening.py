"""The API on a real socket of this machine, as main has uvicorn serve it, and clients that keep to no rule."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Callable

import uvicorn
from fastapi import FastAPI

from service.connection_limit import OpenConnections, secured
from service.connection_timeouts import ConnectionTimeouts, Unread, guarded
from service.tls import Certificate

#: Seconds that the clients of these tests have; in the chart it is ten times as much.
BRIEF = ConnectionTimeouts(header=1.0, body=1.0, write=1.0)
#: What anything may take on a busy machine.
LONG = 60.0

Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(LONG):
        while not what():  # noqa: ASYNC110 - of what says nothing by itself
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def listening(
    app: FastAPI,
    timeouts: ConnectionTimeouts = BRIEF,
    unread: Unread | None = None,
    certificate: Certificate | None = None,
    *,
    gracefully: bool = False,
) -> AsyncIterator[int]:
    """The port that serves the app; `gracefully`: as it ends, it waits for its connections, as in its pod."""
    http: type[asyncio.Protocol] = guarded(timeouts, unread or Unread(2**30))
    if certificate:
        http = secured(http, OpenConnections(1_000), certificate)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, http=http, ws="none", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # pytest's own
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit, server.force_exit = True, not gracefully
        await serving


@contextlib.asynccontextmanager
async def wires(port: int, count: int = 1) -> AsyncIterator[list[Wire]]:
    """So many connections at the same time."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(count)]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def is_cut_off(reader: asyncio.StreamReader) -> bool:
    """Wait until the service ends the connection; whether it said nothing before."""
    try:
        async with asyncio.timeout(LONG):
            return await reader.read() == b""
    except ConnectionResetError:
        return True


async def answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(LONG):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        return head + await reader.readexactly(length)
