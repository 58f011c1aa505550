"""The service as service.main puts it together, over TLS on a port of its own; jobs are written to its store."""

import asyncio
import contextlib
import itertools
import socket
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import pytest
import uvicorn
import yaml

from local_cluster.pki import Authority
from service import expiry
from service.domain.job import Condition, Job, JobType, NodePhase, Phase, Plan, PlannedNode
from service.main import connections, create_app
from service.records.store import SqlRecords
from service.settings import Settings
from tests.monitoring.apiserver import CALLER, ApiServer
from tests.new_store import new_store
from tests.records_suite.example import a_job
from tests.unit.kube.conftest import serve

T = TypeVar("T")
#: exp is 2,000,000,000.
_TOKEN = "e30.eyJleHAiOjIwMDAwMDAwMDB9."


class Measured:
    """The service while it runs."""

    def __init__(self, folder: Path, url: str, loop: asyncio.AbstractEventLoop, records: SqlRecords) -> None:
        self.url = url
        self.authority = folder / "ca.crt"
        self._loop = loop
        self._records = records
        self._numbers = itertools.count()
        self._client = httpx.Client(base_url=url, verify=False, headers={"Authorization": f"Bearer {CALLER}"})  # noqa: S501 - Prometheus checks it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_ended: object) -> None:
        self._client.close()

    def work(self) -> None:
        """Something of all that is measured: calls, and of each type a job that ends."""
        number = next(self._numbers)
        self._client.get("/api/v1/opsjobs", timeout=60)
        self._client.post(f"/api/v1/opsjobs/no-such-job-{number}/stop", timeout=60)
        for kind in JobType:
            self._do(self._job(f"{kind}-{number}", kind))

    def metrics(self) -> str:
        return self._client.get("/metrics", timeout=60).text

    async def _job(self, job_id: str, kind: JobType) -> None:
        now = datetime.now(UTC)
        created = now - timedelta(minutes=20)
        await self._records.add(a_job(job_id, type=kind, created=created, workflow_uid="u", cluster_id="default"))
        await self._records.change(job_id, lambda job: _ended(job, now))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)


def _ended(job: Job, now: datetime) -> Job:
    begun = now - timedelta(minutes=19)
    nodes = (
        PlannedNode("n1", NodePhase.SUCCEEDED, start=begun, end=begun + timedelta(minutes=4)),
        PlannedNode("n2", NodePhase.FAILED, start=begun, end=now),
    )
    condition = Condition(Phase.FAILED, "Failed", "n2 failed", now)
    ended = replace(job, phase=Phase.FAILED, started=begun, ended=now, workflow_gone=True)
    return replace(ended, conditions=(condition,), plan=Plan(nodes))


@contextlib.contextmanager
def measured_service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Measured]:
    """It leads; its store has what `work` writes there."""
    authority = Authority.new()
    shown = authority.sign("opsjobs", hosts=["localhost", "127.0.0.1"])
    tls = folder / "tls"
    tls.mkdir()
    (tls / "tls.crt").write_bytes(shown.certificate)
    (tls / "tls.key").write_bytes(shown.key)
    (folder / "ca.crt").write_bytes(authority.identity.certificate)
    (folder / "token").write_text(_TOKEN)
    monkeypatch.setattr(expiry, "TOKEN", folder / "token")
    listener = socket.create_server(("127.0.0.1", 0))
    begun: list[tuple[asyncio.AbstractEventLoop, SqlRecords, uvicorn.Server]] = []
    up = threading.Event()

    async def run() -> None:
        url = await new_store(folder)
        async with serve(ApiServer().answer) as api:
            settings = Settings(kubeconfig=str(_kubeconfig(folder, api)), database_url=url, tls_folder=tls)
            app, records = create_app(settings), SqlRecords(url)
            config = uvicorn.Config(app, http=connections(settings), log_config=None, timeout_graceful_shutdown=1)
            server = uvicorn.Server(config)
            begun.append((asyncio.get_running_loop(), records, server))
            up.set()
            await server.serve(sockets=[listener])
            await records.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert up.wait(300)
        loop, records, _ = begun[0]
        with Measured(folder, f"https://localhost:{listener.getsockname()[1]}", loop, records) as found:
            yield found
    finally:
        if begun:
            begun[0][2].should_exit = True
        thread.join(300)
        listener.close()


def _kubeconfig(folder: Path, api: Any) -> Path:
    """A kubeconfig for where that client's apiserver is."""
    path = folder / "kubeconfig"
    host = api._client.configuration.host
    named = {"clusters": [{"name": "c", "cluster": {"server": host}}], "users": [{"name": "u", "user": {"token": "t"}}]}
    context = {"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **named, **context}))
    return path
