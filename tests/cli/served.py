"""The real service with real records on a real port, over a cluster that stands still: what the command line meets."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import uvicorn
from fastapi import FastAPI

from service.api import app as http
from service.domain.job import Condition, Job, JobType, NodePhase, Phase
from service.jobs.ports import Records
from service.main import dependencies
from service.settings import Settings
from tests.unit.api.world import EXPORT, World
from tests.unit.jobs.cluster import records_in

T = TypeVar("T")


class Served:
    """A service in a thread of its own, until `close`. A token is its caller's name; every caller may do everything."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before: set[str] = set()
        self._up = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        #: (method, path with query, headers) of each request, in order.
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        #: Paths whose responses began and were no refusals, in order.
        self.answered: list[str] = []
        #: What the next requests are answered instead: (status, headers); 0: the connection is closed.
        self.instead: list[tuple[int, dict[str, str]]] = []
        self._app = app = http.build(self._lifespan)
        self._server = uvicorn.Server(
            uvicorn.Config(self._watched(app), log_config=None, timeout_graceful_shutdown=1, lifespan="on")
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._up.wait(300)

    def begin(self, world: World, **settings: Any) -> None:
        """Forget what was, but for the records, and stand over another cluster."""
        self.world = world
        self.seen.clear()
        self.answered.clear()
        self.instead.clear()
        templates = {kind: f"opsjob-{kind}-1" for kind in (*JobType, "reboot-rollout")}
        known = Settings(cluster_id="local", templates=templates, export=EXPORT, **settings)
        here = cast("Any", world)
        self._app.state.dependencies = dependencies(known, self._records, here, here, here)
        self._before = set(self.do(self._records.unfinished("local")))

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(300)
        self.listener.close()

    def job(self, job_id: str) -> Job:
        found = self.do(self._records.get(job_id))
        assert found is not None
        return found

    def has(self, job_id: str) -> bool:
        return self.do(self._records.get(job_id)) is not None

    def streams(self) -> int:
        """How many are open."""
        return len(self._app.state.dependencies.streams)

    def jobs(self) -> list[str]:
        """Of this test that are not ended, oldest first."""
        return [one for one in self.do(self._records.unfinished("local")) if one not in self._before]

    def change(self, job_id: str, change: Callable[[Job], Job]) -> None:
        """As the reconciler writes what became of a job."""
        self.do(self._records.change(job_id, change))

    def run(self, job_id: str) -> None:
        def running(job: Job) -> Job:
            nodes = tuple(replace(node, phase=NodePhase.RUNNING, start=datetime.now(UTC)) for node in job.plan.nodes)
            return replace(
                job,
                phase=Phase.RUNNING,
                started=datetime.now(UTC),
                plan=replace(job.plan, nodes=nodes),
                conditions=(*job.conditions, Condition(Phase.RUNNING, "Started", "job started", datetime.now(UTC))),
            )

        self.change(job_id, running)

    def end(self, job_id: str, phase: Phase = Phase.SUCCEEDED, message: str = "job finished successfully") -> None:
        def ended(job: Job) -> Job:
            nodes = tuple(replace(node, phase=NodePhase(phase.value), end=datetime.now(UTC)) for node in job.plan.nodes)
            return replace(
                job,
                phase=phase,
                ended=datetime.now(UTC),
                plan=replace(job.plan, nodes=nodes),
                conditions=(*job.conditions, Condition(phase, phase.value, message, datetime.now(UTC))),
            )

        self.change(job_id, ended)

    def add(self, kind: JobType = JobType.ADDON, **fields: Any) -> Job:
        """A job on record, of whoever."""
        given: dict[str, Any] = {
            "job_id": "made-aaaaaa",
            "job_name": "made",
            "cluster_id": "local",
            "user_id": "id-alice",
            "user_name": "alice",
            "created": datetime.now(UTC),
            "conditions": (Condition(Phase.PENDING, "Created", "job created", datetime.now(UTC)),),
        }
        job = Job(type=kind, **given | fields)
        self.do(self._records.add(job))
        return job

    def when_asked(self, times: int, do: Callable[[], None]) -> threading.Thread:
        """Do something once a job was shown so often: whoever follows it has seen what was before."""

        def wait() -> None:
            deadline = time.monotonic() + 300
            while len(self.answered) < times:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            do()

        self.answered.clear()
        thread = threading.Thread(target=wait)
        thread.start()
        return thread

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(300)

    def _run(self) -> None:
        self._server.run(sockets=[self.listener])

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        self._loop = asyncio.get_running_loop()
        async with records_in(self._folder) as records:
            self._records: Records = records
            self._up.set()
            yield

    def _noting(self, scope: Any, send: Any) -> Any:
        fine = False

        async def noting(message: Any) -> None:
            nonlocal fine
            fine = message.get("status", 200) < 400 if message["type"] == "http.response.start" else fine
            await send(message)
            if fine and message["type"] == "http.response.body" and message.get("body"):
                fine = False
                if scope["method"] == "GET":
                    self.answered.append(scope["path"])

        return noting

    def _watched(self, app: FastAPI) -> Any:
        async def watched(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            self.seen.append((scope["method"], scope["path"] + query, headers))
            if not self.instead:
                await app(scope, receive, self._noting(scope, send))
                return
            status, further = self.instead.pop(0)
            if not status:
                # What uvicorn makes of an application that ends without an answer is a closed connection.
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            listed = [(name.encode(), value.encode()) for name, value in further.items()]
            await send({"type": "http.response.start", "status": status, "headers": listed})
            await send({"type": "http.response.body", "body": b""})

        return watched
