"""Who is refused before their body was read, and goes on sending it.

The connection was closed at once where the client asked for that (Connection: close), the kernel answered what still
came with a reset, and of a hundred callers without a right who sent 1 MiB each none saw a status. Nor may the service
read for ever what it does not want.
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_cluster.pki import Authority
from service.connection_timeouts import ConnectionTimeouts
from service.domain.job import JobType
from service.tls import Certificate
from tests.attacks.listening import LONG, answer, is_cut_off, listening, wires
from tests.attacks.test_attack_chunks import chunks
from tests.unit.api.world import JOBS, World

MEBIBYTE = 1024 * 1024
PATIENT = ConnectionTimeouts(header=LONG, body=LONG, write=LONG)


def head(how: str, *more: str) -> bytes:
    lines = (f"POST {JOBS} HTTP/1.1", "Host: x", "Authorization: Bearer alice", how, *more)
    return "\r\n".join((*lines, "", "")).encode()


def no_right() -> World:
    return World(creates=set[JobType]())


async def seen(port: int, request: bytes, **settings: Any) -> bytes:
    """All that a client reads which first sends everything that it has, as most do."""
    async with asyncio.timeout(LONG):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **settings)
        try:
            writer.write(request)
            await writer.drain()
            return await reader.read()
        finally:
            writer.transport.abort()


WHOLE = {
    "length": head(f"Content-Length: {4 * MEBIBYTE}", "Connection: close") + b" " * 4 * MEBIBYTE,
    "chunked": head("Transfer-Encoding: chunked", "Connection: close")
    + chunks(b" " * 4 * MEBIBYTE, 65_536)
    + b"0\r\n\r\n",
}


@pytest.mark.parametrize("how", WHOLE)
async def test_a_client_that_sends_all_of_its_body_first_reads_why_it_was_refused(how: str) -> None:
    async with listening(no_right().app(), PATIENT) as port:
        found = await asyncio.gather(*(seen(port, WHOLE[how]) for _ in range(20)))
    assert {one.partition(b"\r\n")[0] for one in found} == {b"HTTP/1.1 403 Forbidden"}


@pytest.mark.parametrize("how", WHOLE)
async def test_over_tls_too(how: str, tmp_path: Path) -> None:
    authority = Authority.new()
    identity = authority.sign("opsjobs", hosts=["localhost"])
    (tmp_path / "tls.crt").write_bytes(identity.certificate)
    (tmp_path / "tls.key").write_bytes(identity.key)
    context = httpx.create_ssl_context()
    context.load_verify_locations(cadata=authority.identity.certificate.decode())
    certificate = Certificate(tmp_path)
    async with listening(no_right().app(), PATIENT, certificate=certificate) as port:
        several = [seen(port, WHOLE[how], ssl=context, server_hostname="localhost") for _ in range(20)]
        found = await asyncio.gather(*several)
    assert {one.partition(b"\r\n")[0] for one in found} == {b"HTTP/1.1 403 Forbidden"}


async def sent_until_cut_off(writer: asyncio.StreamWriter, piece: bytes, pause: float = 0) -> int:
    """How many bytes can be sent before the connection is gone."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(LONG):
            while True:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
                await asyncio.sleep(pause)
    return sent


@pytest.mark.parametrize("more", [(), ("Connection: close",)])
async def test_a_refused_body_without_an_end_is_cut_off(more: tuple[str, ...]) -> None:
    """Attack: what is refused and dropped costs processor all the same."""
    async with listening(no_right().app(), PATIENT) as port, wires(port) as [(reader, writer)]:
        writer.write(head(f"Content-Length: {10**12}", *more))
        assert (await answer(reader)).startswith(b"HTTP/1.1 403")
        assert await sent_until_cut_off(writer, b" " * MEBIBYTE) < 100 * MEBIBYTE


async def test_nor_is_one_waited_for_that_comes_a_byte_at_a_time() -> None:
    """Attack: the answer is here and the connection asked to close; the rest of the body never comes to an end."""
    async with listening(no_right().app()) as port, wires(port) as [(reader, writer)]:
        writer.write(head("Content-Length: 1000000", "Connection: close") + b"{")
        assert (await answer(reader)).startswith(b"HTTP/1.1 403")
        assert await sent_until_cut_off(writer, b" ", 0.1) < 1_000


@pytest.mark.parametrize("more", [(), ("Connection: close",)])
async def test_nobody_keeps_the_service_from_ending_by_it(more: tuple[str, ...]) -> None:
    """Attack: a refused body a byte at a time; the process would wait for that connection until it is killed."""
    async with listening(no_right().app(), PATIENT, gracefully=True) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head("Content-Length: 1000000", *more) + b"{")
        assert (await answer(reader)).startswith(b"HTTP/1.1 403")
        sending = asyncio.create_task(sent_until_cut_off(writer, b" ", 0.1))
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < LONG / 2
    await sending


@pytest.mark.parametrize("more", [(), ("Connection: close",)])
async def test_what_is_no_http_after_the_answer_is_no_fault_of_the_services(
    more: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """Attack: it would be a traceback in the log, as many as a client likes."""
    async with listening(no_right().app(), PATIENT) as port, wires(port) as [(reader, writer)]:
        writer.write(head("Transfer-Encoding: chunked", *more) + chunks(b" " * 10, 10))
        assert (await answer(reader)).startswith(b"HTTP/1.1 403")
        writer.write(b"no chunk\r\n\r\n")
        await is_cut_off(reader)
    assert not [record for record in caplog.records if record.exc_info], caplog.text


async def test_after_a_refused_body_the_connection_serves_the_next_request() -> None:
    async with listening(no_right().app(), PATIENT) as port, wires(port) as [(reader, writer)]:
        for _ in range(3):
            writer.write(head(f"Content-Length: {MEBIBYTE}") + b" " * MEBIBYTE)
            assert (await answer(reader)).startswith(b"HTTP/1.1 403")
