"""The attacker may see jobs, asks for the largest answers there are, and reads none.

An answer is in memory until its client has taken it, and the caller's turn was over long before: a thousand connections
of one viewer held a thousand answers of a megabyte, twice as much as the service may have. Over TLS nobody was ever cut
off, since what is encrypted waits in a buffer that was not looked at.
"""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from fastapi import FastAPI

from local_cluster.pki import Authority
from service.connection_timeouts import ConnectionTimeouts, GuardedConnection, Unread
from service.tls import Certificate
from tests.attacks.listening import BRIEF, LONG, Wire, answer, listening, until
from tests.unit.api.wired import client_of
from tests.unit.api.world import JOBS, REBOOT, World

MEGABYTE = 2**20
#: Bytes of an answer, of which the kernel keeps up to four megabytes on the way.
LARGE = 11 * MEGABYTE
#: Seconds: several looks of the service more than a client that reads is ever behind, on a busy machine too.
LONG_BEHIND = 8.0
PATIENT = ConnectionTimeouts(header=LONG, body=LONG, write=LONG)


@pytest.fixture(params=["plain", "tls"])
def certificate(request: pytest.FixtureRequest, tmp_path: Path) -> Certificate | None:
    if request.param == "plain":
        return None
    identity = Authority.new().sign("opsjobs", hosts=["127.0.0.1"])
    (tmp_path / "tls.crt").write_bytes(identity.certificate)
    (tmp_path / "tls.key").write_bytes(identity.key)
    return Certificate(tmp_path)


@contextlib.asynccontextmanager
async def wires(port: int, count: int, *, tls: bool) -> AsyncIterator[list[Wire]]:
    """Connections of a client that reads nothing before it is asked to."""
    context = ssl.create_default_context() if tls else None
    if context:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opened = [await _connected(port, context) for _ in range(count)]
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.transport.abort()


async def _connected(port: int, context: ssl.SSLContext | None) -> Wire:
    # The kernel would take some megabytes for a reader who reads nothing.
    wire = socket.socket()
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    wire.setblocking(False)
    await asyncio.get_running_loop().sock_connect(wire, ("127.0.0.1", port))
    name = "127.0.0.1" if context else None
    return await asyncio.open_connection(sock=wire, ssl=context, server_hostname=name, limit=1024)


async def large(world: World) -> tuple[FastAPI, bytes]:
    """The API with a job whose GET is LARGE, and that request."""
    async with client_of(world.app()) as client:
        made = await client.post(JOBS, content=json.dumps(REBOOT))
    job = world.jobs[made.json()["jobId"]]
    object.__setattr__(job, "options", {"env": {f"N{number}": "x" * 100_000 for number in range(120)}})
    request = f"GET {JOBS}/{job.job_id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer alice\r\n\r\n"
    return world.app(), request.encode()


async def taken(reader: asyncio.StreamReader) -> int:
    """How much comes before the service ends the connection."""
    found = 0
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        async with asyncio.timeout(LONG):
            while part := await reader.read(MEGABYTE):
                found += len(part)
    return found


def all_but_one_are_long_behind(unread: Unread) -> bool:
    """Whether each of the others has its answer, and is so far behind that who reads is not cut off in its place."""
    behind = [one for one in unread.connections if one.unread]
    return len(behind) == len(unread.connections) - 1 and all(one.seconds_behind > LONG_BEHIND for one in behind)


async def test_whoever_reads_nothing_is_cut_off(certificate: Certificate | None) -> None:
    app, request = await large(World())
    unread = Unread(2**30)
    async with (
        listening(app, BRIEF, unread, certificate) as port,
        wires(port, 1, tls=certificate is not None) as [(reader, writer)],
    ):
        writer.write(request)
        await until(lambda: unread.bytes > MEGABYTE)
        await until(lambda: not unread.connections)
        assert await taken(reader) < LARGE


async def test_of_all_answers_no_more_is_unread_than_may_be(certificate: Certificate | None) -> None:
    app, request = await large(World())
    unread = Unread(20 * MEGABYTE)
    async with (
        listening(app, PATIENT, unread, certificate) as port,
        wires(port, 6, tls=certificate is not None) as opened,
        wires(port, 1, tls=certificate is not None) as [(reader, writer)],
    ):
        await until(lambda: len(unread.connections) == 7)
        for _, idle in opened:
            idle.write(request)
        await until(lambda: all_but_one_are_long_behind(unread))
        assert unread.bytes <= 20 * MEGABYTE
        assert 1 < len(unread.connections) < 7, "some are cut off, and none in vain"
        writer.write(request)
        assert len(await answer(reader)) > LARGE, "who reads gets all of it"


@pytest.mark.parametrize(
    ("sizes", "is_cut_off"),
    [
        ([900, 850, 800, 750, 700, 650, 600, 550], False),  # slowly, and less than all of it within the patience
        ([900, 899, 898, 897, 896, 895, 894, 893], True),
        ([900, 900, 900, 900, 900, 900, 900, 900], True),
        ([900, 901, 902, 903, 904, 905, 906, 907], True),  # more answers are no progress
        ([0, 0, 900, 900, 0, 0, 900, 900], False),
        ([900, 800, 900, 800, 900, 800, 900, 800], False),
    ],
)
def test_whoever_reads_slowly_but_reads_is_not(sizes: list[int], *, is_cut_off: bool) -> None:
    """KiB that a client is behind, at each look."""
    loop, transport, conn = Mock(), Mock(), Mock()
    transport.is_closing.return_value = False
    connection = GuardedConnection.__new__(GuardedConnection)
    vars(connection).update(
        loop=loop, transport=transport, conn=conn, timeouts=ConnectionTimeouts(header=9, body=9, write=3.5)
    )
    vars(connection).update(all_unread=Unread(2**30), client="c", _doing=None, _since=0, _wrote=0, _behind=0)
    for second, size in enumerate(sizes, 1):
        loop.time.return_value, transport.get_write_buffer_size.return_value = second, size * 1024
        connection._look()
    assert transport.abort.called is is_cut_off
