"""The list and get of a running service, over HTTP, with a hundred thousand records in each kind of store."""

import asyncio
import contextlib
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from service.domain.listing import SortField
from service.records.migrate import migrate
from tests import postgresql
from tests.bench.control_plane import ControlPlane, control_plane
from tests.bench.figures import HEADER, Figures, keep
from tests.bench.history import fill
from tests.bench.load import Target, measure
from tests.bench.processes import free_port, memory_megabytes, running

PART = "list"
PATH = "/api/v1/opsjobs"
REQUESTS = 300
CONCURRENT = 16

#: Milliseconds, of issue 4.
PAGE_TARGET, FILTER_TARGET, GET_TARGET = 25.0, 50.0, 10.0
#: The deepest page against the first one.
DEEP_FACTOR = 3

FIRST = "page 1"
FILTERS: dict[str, dict[str, str]] = {
    "type=addon": {"type": "addon"},
    "phase=Running": {"phase": "Running"},
    "phase=Succeeded": {"phase": "Succeeded"},
    "clusterId": {"clusterId": "prod-cluster"},
    "workspaceId": {"workspaceId": "prod-cluster-team-7"},
    "userName, many match": {"userName": "SERVICEACCOUNT"},
    "userName, few match": {"userName": "user-17"},
    "userName, none matches": {"userName": "100%_"},
    "jobName": {"jobName": "kernel 77"},
    "includeDeleted": {"includeDeleted": "true"},
    "type and phase": {"type": "addon", "phase": "Succeeded"},
    "userName and phase, by jobName": {"userName": "user-17", "phase": "Failed", "sortBy": "jobName"},
}


class Case(NamedTuple):
    name: str
    paths: Sequence[str]
    target: float | None
    owner: bool = False


def run(records: int, stores: Sequence[str], requests: int = REQUESTS) -> None:
    """Measure and keep the list part."""
    found: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="opsjobs-bench-") as name, control_plane(Path(name)) as plane:
        for store in stores:
            with _store(store, Path(name)) as (url, analyze):
                print(f"\n{records:,} records in {store} …", flush=True)
                asyncio.run(migrate(url))
                ids = asyncio.run(fill(url, records))
                analyze()
                with _service(url, plane) as (viewer, pid):
                    owner = Target(viewer.url, plane.owner)
                    print(f"  memory of the service before: {memory_megabytes(pid):.0f} MB")
                    measured = _measure(viewer, owner, ids, requests)
                    found += [replace(figures, case=f"{store}/{figures.case}") for figures in measured]
                    print(f"  memory of the service afterwards: {memory_megabytes(pid):.0f} MB")
    keep(PART, found)
    missed = [figures.case for figures in found if not figures.reached]
    print(f"\n{len(found)} cases, targets missed: {', '.join(missed) or 'none'}")


@contextlib.contextmanager
def _store(kind: str, folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    if kind == "sqlite":
        yield f"sqlite+aiosqlite:///{folder / 'records.db'}", lambda: None
        return
    with postgresql.running() as server:
        # What autovacuum does within a minute of so many rows.
        yield server.create("records"), lambda: server.sql("VACUUM ANALYZE", "records")


@contextlib.contextmanager
def _service(url: str, plane: ControlPlane) -> Iterator[tuple[Target, int]]:
    """The product itself as it runs in its pod, on that store; answers how to ask it as the viewer, and its process."""
    viewer = Target(f"http://127.0.0.1:{free_port()}", plane.viewer)
    environment = {
        "KUBECONFIG": str(plane.kubeconfig),
        "OPSJOBS_DATABASE_URL": url,
        "OPSJOBS_PORT": viewer.url.rpartition(":")[2],
    }
    log = plane.kubeconfig.with_name("service.log")
    with running([sys.executable, "-m", "service"], log, lambda: viewer.get("/readyz"), environment) as pid:
        yield viewer, pid


def _measure(viewer: Target, owner: Target, ids: Sequence[str], requests: int) -> Iterator[Figures]:
    total = json.loads(viewer.get(PATH))["totalCount"]
    first = PAGE_TARGET
    print(HEADER)
    for case in _cases(total, ids):
        for concurrency in (1, CONCURRENT):
            times = measure(owner if case.owner else viewer, case.paths, requests * min(concurrency, 4), concurrency)
            # The targets are for one caller at a time; sixteen on two cores wait for each other.
            wanted = (case.target or DEEP_FACTOR * first) if concurrency == 1 else None
            figures = Figures(f"{case.name}, {concurrency} at a time", times, wanted)
            first = figures.at(99) if case.name == FIRST and concurrency == 1 else first
            print(figures.line(), flush=True)
            yield figures


def _cases(total: int, ids: Sequence[str]) -> Iterator[Case]:
    deepest = total - 100
    yield Case(FIRST, [_list()], PAGE_TARGET)
    yield Case("deepest page", [_list(offset=deepest)], None)
    yield Case("page in the middle", [_list(offset=deepest // 2)], None)
    for name, query in FILTERS.items():
        yield Case(name, [_list(**query)], FILTER_TARGET)
    yield Case("a caller with only their own", [_list()], FILTER_TARGET, owner=True)
    sorts = [field.value for field in SortField]
    yield Case("page 1 by each sortBy", [_list(sortBy=field) for field in sorts], PAGE_TARGET)
    yield Case("deepest page by each sortBy", [_list(sortBy=field, offset=deepest) for field in sorts], None)
    chosen = random.Random(2).sample(list(ids), min(100, len(ids)))  # noqa: S311 — the same in every run
    yield Case("get", [f"{PATH}/{job_id}" for job_id in chosen], GET_TARGET)


def _list(**query: str | int) -> str:
    return f"{PATH}?{urlencode(query)}"
