"""What stands between the service and PostgreSQL: an address that moves to another server, and PgBouncer."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from tests.postgresql import Server, free_port, install


class Forwarder:
    """One address for whichever server it points at; connections that are open stay where they are."""

    def __init__(self, target: Server) -> None:
        self.target = target
        self.port = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(self.target.address, self.target.port)
        await asyncio.wait(
            [asyncio.create_task(_pipe(reader, to_server)), asyncio.create_task(_pipe(from_server, writer))]
        )


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def forwarding(target: Server) -> AsyncIterator[Forwarder]:
    forwarder = Forwarder(target)
    listening = await asyncio.start_server(forwarder.carry, "127.0.0.1", 0)
    forwarder.port = listening.sockets[0].getsockname()[1]
    try:
        yield forwarder
    finally:
        listening.close()


@contextlib.contextmanager
def pgbouncer(server: Server, pool_mode: str, **settings: str) -> Iterator[int]:
    """The port of a PgBouncer (Debian's package) before that server, with three connections to it."""
    install("pgbouncer", is_there=lambda: shutil.which("pgbouncer", path="/usr/sbin:/usr/bin") is not None)
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="opsjobs-pgbouncer-"))
    options = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": str(folder),
        "auth_type": "any",
        "pool_mode": pool_mode,
        "default_pool_size": "3",
        "logfile": str(folder / "log"),
        "pidfile": str(folder / "pid"),
        **settings,
    }
    lines = [
        "[databases]",
        f"* = host={server.address} port={server.port} user=postgres",
        "[pgbouncer]",
        *(f"{name} = {value}" for name, value in options.items()),
    ]
    (folder / "ini").write_text("\n".join(lines) + "\n")
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_postgres:
        shutil.chown(folder, "postgres")
    process = subprocess.Popen([*as_postgres, "/usr/sbin/pgbouncer", "-q", str(folder / "ini")])
    try:
        _wait_for(port, folder / "log")
        yield port
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _wait_for(port: int, log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < end, log.read_text() if log.exists() else "pgbouncer does not start"
            time.sleep(0.05)
        else:
            return
