"""The list and get of a running service, over HTTP, with a hundred thousand records in each kind of store."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from service.records.migrate import migrate
from tests import postgresql
from tests.bench.argo import argo_server, page
from tests.bench.cases import BY_TYPE, DEEPEST, FIRST, PAGE_TARGET, PATH, cases
from tests.bench.control_plane import ControlPlane, control_plane
from tests.bench.figures import HEADER, Figures, keep, machine
from tests.bench.history import fill
from tests.bench.load import TIMEOUT_SECONDS, Target, measure
from tests.bench.processes import free_port, memory_megabytes, running

PART = "list"
CONCURRENT = 16
#: The deepest page against the first one.
DEEP_FACTOR = 3
#: argo-server is given this long for each case.
ARGO_SECONDS = 60
#: So many times as long argo-server has to take for page 1 (issue 4).
LEAST_RATIO = 10.0


@dataclass(frozen=True)
class Size:
    """How much there is to list, and how often it is asked for.

    `live`: Workflows that Argo has not archived yet. `cases`: page 1 and those whose names hold this.
    """

    records: int = 100_000
    requests: int = 300
    live: int = 3_000
    cases: str = ""

    @property
    def part(self) -> str:
        """Under which name its cases are kept: some of them, or of other records, stand beside the usual ones."""
        return "-".join((PART, *([str(self.records)] if self.records != Size.records else []), *self.cases.split()))


def run(size: Size, stores: Sequence[str], *, with_argo: bool = True) -> None:
    """Measure and keep the list part."""
    print(machine())
    found: list[Figures] = []
    with tempfile.TemporaryDirectory(prefix="opsjobs-bench-") as name, control_plane(Path(name)) as plane:
        if with_argo:
            found += _argo_if_it_answers(plane, size)
        medians = {figures.case.partition("/")[2]: figures.at(50) for figures in found}
        for store in stores:
            with filled(store, Path(name), size.records) as (url, ids), service(url, plane) as (viewer, pid):
                print(f"  memory of the service before: {memory_megabytes(pid):.0f} MB")
                measured = _measure(_callers(viewer.url, plane), ids, size, medians)
                found += [replace(figures, case=f"{store}/{figures.case}") for figures in measured]
                print(f"  memory of the service afterwards: {memory_megabytes(pid):.0f} MB")
    keep(size.part, found)
    missed = [figures.case for figures in found if not figures.reached]
    print(f"\n{len(found)} cases, targets missed: {', '.join(missed) or 'none'}")


def _argo_if_it_answers(plane: ControlPlane, size: Size) -> list[Figures]:
    """With very many Workflows it may not answer its first list in time: then it is left out, and that is said."""
    try:
        return _measure_argo(plane, size)
    except RuntimeError as error:
        if not isinstance(error.__cause__, TimeoutError):
            raise
        print(f"  argo-server does not list {size.records:,} Workflows in time: left out", flush=True)
        return []


def _measure_argo(plane: ControlPlane, size: Size) -> list[Figures]:
    archived = size.records - size.live
    print(f"\n{size.live:,} live and {archived:,} archived Workflows in argo-server …", flush=True)
    pages = {FIRST: page(), DEEPEST: page(size.records - 100), BY_TYPE: page(labels="opsjob.io/type=addon")}
    found = []
    with argo_server(plane, archived, size.live) as (target, pid):
        print(HEADER)
        for name, path in pages.items():
            try:
                times = measure(target, [path], size.requests, seconds=ARGO_SECONDS)
            except TimeoutError:
                print(f"  argo-server/{_alone(name)}: no answer in {TIMEOUT_SECONDS} s, left out", flush=True)
                continue
            found.append(Figures(f"argo-server/{_alone(name)}", times))
            print(found[-1].line(), flush=True)
        print(f"  memory of argo-server afterwards: {memory_megabytes(pid):.0f} MB")
    return found


@contextlib.contextmanager
def filled(kind: str, folder: Path, records: int) -> Iterator[tuple[str, list[str]]]:
    """A store with that many records: its URL and some of its ids."""
    with _store(kind, folder) as (url, analyze):
        print(f"\n{records:,} records in {kind} …", flush=True)
        asyncio.run(migrate(url))
        ids = asyncio.run(fill(url, records))
        analyze()
        # What was just written is not to be measured on its way to the disk.
        os.sync()
        yield url, ids


@contextlib.contextmanager
def _store(kind: str, folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    if kind == "sqlite":
        yield f"sqlite+aiosqlite:///{folder / 'records.db'}", lambda: None
        return
    with postgresql.running() as server:
        # What autovacuum does within a minute of so many rows.
        yield server.create("records"), lambda: server.sql("VACUUM ANALYZE", "records")


@contextlib.contextmanager
def service(url: str, plane: ControlPlane) -> Iterator[tuple[Target, int]]:
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


def _callers(url: str, plane: ControlPlane) -> dict[str, Target]:
    tokens = {"viewer": plane.viewer, "member": plane.member, "owner": plane.owner}
    return {name: Target(url, token) for name, token in tokens.items()}


def _measure(
    callers: Mapping[str, Target], ids: Sequence[str], size: Size, argo: Mapping[str, float]
) -> Iterator[Figures]:
    """Every case, alone and with others at the same time. `argo`: its medians of the cases that it knows."""
    total = json.loads(callers["viewer"].get(PATH))["totalCount"]
    first = PAGE_TARGET
    print(HEADER)
    for case in cases(total, ids):
        if case.name != FIRST and size.cases not in case.name:
            continue
        asked_by = callers[case.asked_by]
        # The targets are for one caller at a time; sixteen on two processors wait for each other.
        times = measure(asked_by, case.paths, size.requests)
        alone = Figures(_alone(case.name), times, case.target or DEEP_FACTOR * first)
        together = Figures(
            f"{case.name}, {CONCURRENT} at a time", measure(asked_by, case.paths, size.requests * 4, CONCURRENT)
        )
        if case.name == FIRST:
            first = alone.at(99)
            alone = replace(alone, least_ratio=LEAST_RATIO)
        if alone.case in argo:
            alone = replace(alone, argo_ratio=round(argo[alone.case] / alone.at(50), 1))
        for figures in (alone, together):
            print(figures.line(), flush=True)
            yield figures


def _alone(name: str) -> str:
    return f"{name}, 1 at a time"
