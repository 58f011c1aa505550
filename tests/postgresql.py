"""A real PostgreSQL server for tests and benchmarks: Debian's package, its own data directory, a free loopback port."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.node_pool import locked

_INSTALLED = Path("/usr/lib/postgresql")
_SETTINGS = {
    "max_connections": "60",
    # What a production server of modest size is given; Debian's default of 128 MB is for a laptop of 2005.
    "shared_buffers": "256MB",
    "work_mem": "16MB",
}


@dataclass(frozen=True)
class Server:
    """A running server: `url()` of a database in it, `create()` to make one, `stop()` and `start()` for faults."""

    port: int
    folder: Path
    address: str = "127.0.0.1"

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+asyncpg://postgres@{self.address}:{self.port}/{database}"

    def create(self, database: str, *, template: str = "template1") -> str:
        self.sql(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        self.sql(f'DROP DATABASE "{database}" WITH (FORCE)')

    def sql(self, statement: str, database: str = "postgres") -> str:
        return _run("psql", "-h", str(self.folder), "-p", str(self.port), "-qAtc", statement, database)

    def start(self) -> None:
        options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        options += f" -p {self.port} -k {self.folder} -c listen_addresses={self.address}"
        log = self.folder / "log"
        try:
            _run("pg_ctl", "start", "-w", "-t", "60", "-D", str(self.folder / "data"), "-l", str(log), "-o", options)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"PostgreSQL does not start: {log.read_text() if log.exists() else error}") from error

    def stop(self) -> None:
        _run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self.folder / "data"))

    def set(self, name: str, value: str) -> None:
        """Change a setting of the running server, for its open sessions too."""
        self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")

    def promote(self) -> None:
        """Make a standby take writes."""
        _run("pg_ctl", "promote", "-w", "-t", "60", "-D", str(self.folder / "data"))


@contextmanager
def running(address: str = "127.0.0.1", *, standby_of: Server | None = None) -> Iterator[Server]:
    """A server for the length of the block; nothing of it stays behind. Whoever reaches its address may enter."""
    install("postgresql", is_there=lambda: _newest() is not None)
    folder = Path(tempfile.mkdtemp(prefix="opsjobs-postgresql-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Server(free_port(), folder, address)
    data = str(folder / "data")
    try:
        if standby_of:
            source = ("-h", standby_of.address, "-p", str(standby_of.port), "-U", "postgres")
            _run("pg_basebackup", *source, "-D", data, "--checkpoint=fast", "--write-recovery-conf", "--no-sync")
        else:
            _run("initdb", "-D", data, "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
            with (folder / "data" / "pg_hba.conf").open("a") as who_may:
                who_may.write("host all all all trust\n")
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _run(tool: str, *arguments: str) -> str:
    """One of PostgreSQL's programs, as the user it insists on."""
    program = shutil.which(tool, path=f"{_newest()}:{os.environ['PATH']}") or tool
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    # Output goes to a file: a server that pg_ctl leaves behind would hold a pipe open for ever.
    with tempfile.TemporaryFile("w+") as output:
        result = subprocess.run(
            [*as_postgres, program, *arguments], cwd="/", stdout=output, stderr=subprocess.STDOUT, check=False
        )
        output.seek(0)
        said = output.read()
    if result.returncode:
        raise subprocess.CalledProcessError(result.returncode, [tool, *arguments], said)
    return said.strip()


def _newest() -> Path | None:
    versions = sorted(_INSTALLED.glob("*/bin"), key=lambda path: int(path.parent.name))
    return versions[-1] if versions else None


def install(*packages: str, is_there: Callable[[], bool]) -> None:
    """Some of Debian's packages, where they are missing; once, whichever process of a test run comes first."""
    with locked(Path(tempfile.gettempdir()) / "opsjobs-tests-apt.lock"):
        if not is_there():
            apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
            subprocess.run([*apt, "update"], check=True)
            subprocess.run([*apt, "install", "-y", "--no-install-recommends", *packages], check=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
