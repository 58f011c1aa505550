"""PostgreSQL as it is run in earnest: with TLS, with a standby that takes over, behind a pooler."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local_cluster.pki import Authority
from service.domain.job import Phase
from service.jobs.ports import UnavailableError
from service.records.migrate import migrate
from service.records.store import SqlRecords
from tests import postgresql
from tests.records.middle import forwarding, pgbouncer
from tests.records_suite.example import NOON, a_job, a_key, a_query


@pytest.fixture
def primary() -> Iterator[postgresql.Server]:
    with postgresql.running() as server:
        yield server


@pytest.fixture
def standby(primary: postgresql.Server) -> Iterator[postgresql.Server]:
    """A copy of the primary that follows it."""
    asyncio.run(migrate(primary.create("records")))
    with postgresql.running(standby_of=primary) as server:
        yield server


async def caught_up(primary: postgresql.Server, standby: postgresql.Server) -> None:
    written = primary.sql("SELECT pg_current_wal_lsn()")
    end = time.monotonic() + 60
    while standby.sql(f"SELECT pg_last_wal_replay_lsn() >= '{written}'") != "t":
        assert time.monotonic() < end, "the standby does not follow"
        await asyncio.sleep(0.1)


class TestFailover:
    @pytest.mark.slow
    async def test_writes_go_on_though_connections_to_the_former_primary_stay_open(
        self, primary: postgresql.Server, standby: postgresql.Server
    ) -> None:
        """Such a connection serves every read; before, every write was 503 until the service was restarted."""
        async with forwarding(primary) as forwarder:
            store = SqlRecords(f"postgresql://postgres@127.0.0.1:{forwarder.port}/records")
            # As many connections as a busy replica has.
            await asyncio.gather(*(store.add(a_job(f"before-{number}")) for number in range(12)))
            await caught_up(primary, standby)
            primary.set("default_transaction_read_only", "on")
            standby.promote()
            forwarder.target = standby
            began = time.monotonic()
            await asyncio.gather(*(store.add(a_job(f"after-{number}")) for number in range(12)))
            assert time.monotonic() - began < 60, "before, never"
            assert (await store.page(a_query())).total == 24
            await store.close()
        assert standby.sql("SELECT count(*) FROM jobs", "records") == "24"

    @pytest.mark.slow
    async def test_of_several_servers_the_one_that_takes_writes_is_used(
        self, primary: postgresql.Server, standby: postgresql.Server
    ) -> None:
        hosts = f"127.0.0.1:{standby.port},127.0.0.1:{primary.port}"
        store = SqlRecords(f"postgresql://postgres@{hosts}/records")
        await store.add(a_job("before"))
        await caught_up(primary, standby)
        primary.stop()
        with pytest.raises(UnavailableError):  # the standby is none yet
            await store.add(a_job("between"))
        standby.promote()
        await store.add(a_job("after"))
        assert (await store.page(a_query())).total == 2
        await store.close()
        primary.start()

    @pytest.mark.slow
    async def test_where_none_takes_writes_that_is_what_is_said(
        self, primary: postgresql.Server, standby: postgresql.Server
    ) -> None:
        assert primary.port
        store = SqlRecords(f"postgresql://postgres@127.0.0.1:{standby.port}/records")
        with pytest.raises(UnavailableError, match="no server takes writes"):
            await store.ping()
        await store.close()


class TestBehindPgBouncer:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("pool_mode", "settings"),
        [
            ("transaction", {}),
            (
                "transaction",
                {"ignore_startup_parameters": "statement_timeout,idle_in_transaction_session_timeout,plan_cache_mode,"
                 "jit,max_parallel_workers_per_gather"},
            ),
            ("session", {"default_pool_size": "40"}),
        ],
        ids=["transaction", "transaction-settings-ignored", "session"],
    )  # fmt: skip
    async def test_it_works(
        self, server: postgresql.Server, url: str, pool_mode: str, settings: dict[str, str]
    ) -> None:
        with pgbouncer(server, pool_mode, **settings) as port:
            pooled = f"postgresql://postgres@127.0.0.1:{port}/{url.rpartition('/')[2]}"
            await migrate(pooled)
            stores = [SqlRecords(pooled), SqlRecords(pooled)]
            await asyncio.gather(*(_a_life(stores[number % 2], f"job-{number}") for number in range(40)))
            page = await stores[0].page(a_query(phase=Phase.RUNNING))
            assert page.total == 40
            assert await stores[1].versions(["job-0"]) == {"job-0": 1}
            await stores[0].next_look()  # no pooler takes LISTEN: it is a second later
            for store in stores:
                await store.close()


async def _a_life(store: SqlRecords, job_id: str) -> None:
    """Every kind of statement, with more callers than the pooler has connections."""
    await store.ping()
    await store.claim(a_key(job_id), NOON)
    await store.add(a_job(job_id), a_key(job_id))
    await store.change(job_id, lambda job: replace(job, phase=Phase.RUNNING))
    found = await store.get(job_id)
    assert found is not None
    assert found.phase is Phase.RUNNING
    assert (await store.page(a_query(limit=3))).items


@pytest.mark.slow
class TestTls:
    @pytest.fixture
    def encrypted(self, primary: postgresql.Server, tmp_path: Path) -> tuple[postgresql.Server, Path]:
        """A server that takes only connections with TLS, and its certificate."""
        data = primary.folder / "data"
        key, certificate = data / "server.key", data / "server.crt"
        subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject)
        subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
        owner = (data / "postgresql.conf").stat()
        for file in (key, certificate):
            os.chown(file, owner.st_uid, owner.st_gid)
            file.chmod(0o600)
        (data / "pg_hba.conf").write_text("local all all trust\nhostssl all all all trust\n")
        primary.set("ssl", "on")
        kept = tmp_path / "ca.crt"
        kept.write_text(certificate.read_text())
        return primary, kept

    @pytest.mark.parametrize("query", ["", "sslmode=require", "ssl=require", "sslmode=verify-full&sslrootcert={ca}"])
    async def test_modes_that_connect(self, encrypted: tuple[postgresql.Server, Path], query: str) -> None:
        server, ca = encrypted
        store = SqlRecords(f"postgres://postgres@127.0.0.1:{server.port}/template1?{query.format(ca=ca)}")
        with pytest.raises(UnavailableError, match=r"jobs.*does not exist"):  # it has connected
            await store.ping()
        await store.close()

    async def test_the_authority_of_the_chart_is_demanded(  # database.caKey
        self, encrypted: tuple[postgresql.Server, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        server, ca = encrypted
        another = tmp_path / "another.crt"
        another.write_bytes(Authority.new().identity.certificate)
        monkeypatch.setenv("PGSSLMODE", "verify-full")
        for file, said in ((ca, r"jobs.*does not exist"), (another, "certificate verify failed")):
            monkeypatch.setenv("PGSSLROOTCERT", str(file))
            store = SqlRecords(f"postgres://postgres@127.0.0.1:{server.port}/template1")
            with pytest.raises(UnavailableError, match=said):
                await store.ping()
            await store.close()

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            ("sslmode=disable", "no encryption"),
            ("sslmode=verify-full", "root certificate file"),
        ],
    )
    async def test_modes_that_do_not(self, encrypted: tuple[postgresql.Server, Path], query: str, said: str) -> None:
        server, _ = encrypted
        store = SqlRecords(f"postgres://postgres:secret@127.0.0.1:{server.port}/template1?{query}")
        with pytest.raises(UnavailableError, match=said) as refused:
            await store.ping()
        assert "secret" not in str(refused.value)
        await store.close()
