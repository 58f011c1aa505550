"""List and get beside a bare route that returns the very same bytes, in one run: what the service itself costs.

The two are asked in turn, in blocks, and the median of the rounds' ratios is judged: what else the machine does meets
both alike. A block during which the machine's pace changed much is asked again.
"""

import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from local_cluster.binaries import VEGETA
from tests.bench.cases import PATH
from tests.bench.control_plane import built, control_plane
from tests.bench.figures import Figures, addition_milliseconds, keep, machine
from tests.bench.listing import Size, filled, service
from tests.bench.load import Target
from tests.bench.processes import free_port, running

PART = "bare"
BLOCK = 100
CALLERS = 16
#: A million additions on the machine that the targets are for.
_QUIET_MILLISECONDS = 45.0
#: Two readings of the machine's pace that differ by more make a block be asked again, so often at most.
_PACE, _AGAIN = 1.5, 5


@dataclass(frozen=True)
class Rounds:
    requests: int = 2_000
    rounds: int = 5
    #: Of each round with callers at the same time.
    seconds: int = 5


@dataclass(frozen=True)
class Asked:
    """One request, to the service and to the bare route. `at_most`: the target of the median's ratio."""

    name: str
    url: str
    token: str
    etag: str = ""
    at_most: float | None = None

    @property
    def headers(self) -> dict[str, str]:
        given = {"Authorization": f"Bearer {self.token}", "If-None-Match": self.etag}
        return {name: value for name, value in given.items() if value.strip() not in ("", "Bearer")}

    def connect(self) -> http.client.HTTPConnection:
        return Target(self.url).connect()

    def send(self, connection: http.client.HTTPConnection) -> tuple[bytes, str]:
        """The answer's body and ETag.

        Raises:
            RuntimeError: it is an error: a benchmark of errors is none.
        """
        parts = urlsplit(self.url)
        connection.request("GET", f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=self.headers)
        response = connection.getresponse()
        body = response.read()
        if response.status not in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
            raise RuntimeError(f"{self.url} answers {response.status}: {body[:300].decode(errors='replace')}")
        return body, response.headers.get("ETag", "")


@dataclass(frozen=True)
class Beside:
    """Milliseconds of the service, at the machine's pace, and of the bare route; the ratio of each round's medians."""

    case: str
    times: Sequence[float]
    bare: Sequence[float]
    ratios: Sequence[float]
    factor: float
    at_most: float | None

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def reached(self) -> bool:
        return self.at_most is None or self.ratio <= self.at_most

    def line(self) -> str:
        judged = "" if self.at_most is None else f", at most {self.at_most:g}: {'ok' if self.reached else 'MISSED'}"
        bare = Figures("", self.bare)
        return (
            f"{Figures(self.case, self.times).line()} bare {bare.at(50):.2f} / {bare.at(99):.2f}, "
            f"{self.ratio:.1f} times (rounds {min(self.ratios):.1f} to {max(self.ratios):.1f}){judged}; "
            f"machine factor {self.factor:.1f}"
        )

    def record(self) -> dict[str, float | str | None]:
        bare = Figures("", self.bare)
        return {
            **Figures(self.case, self.times).record(),
            "bare_p50_ms": round(bare.at(50), 2),
            "bare_p99_ms": round(bare.at(99), 2),
            "ratio": round(self.ratio, 2),
            "ratio_target": self.at_most,
            "machine_factor": round(self.factor, 2),
        }


@dataclass(frozen=True)
class Throughput:
    """Answers a second of the service and of the bare route, with callers at the same time."""

    case: str
    service: Sequence[float]
    bare: Sequence[float]
    at_least: float

    @property
    def share(self) -> float:
        return statistics.median(mine / its for mine, its in zip(self.service, self.bare, strict=True))

    @property
    def reached(self) -> bool:
        return self.share >= self.at_least

    def line(self) -> str:
        mine, its = statistics.median(self.service), statistics.median(self.bare)
        judged = "ok" if self.reached else "MISSED"
        return (
            f"  {self.case:<52}{mine:.0f} a second, bare {its:.0f}: {self.share:.1%}, "
            f"at least {self.at_least:.0%}: {judged}"
        )

    def record(self) -> dict[str, float | str | None]:
        return {
            "value": round(statistics.median(self.service), 1),
            "bare": round(statistics.median(self.bare), 1),
            "unit": "a second",
            "ratio": round(self.share, 4),
            "ratio_target": self.at_least,
        }


def run(size: Size, rounds: Rounds, stores: Sequence[str]) -> None:
    """Measure and keep the part."""
    print(machine())
    found: list[Beside | Throughput] = []
    with tempfile.TemporaryDirectory(prefix="opsjobs-bench-") as name, control_plane(Path(name)) as plane:
        for store in stores:
            with filled(store, Path(name), size.records) as (url, ids), service(url, plane) as (viewer, _):
                for one in _measured(viewer, ids[len(ids) // 2], store, rounds):
                    print(one.line(), flush=True)
                    found.append(one)
    keep(PART, found)


def _measured(viewer: Target, job_id: str, store: str, rounds: Rounds) -> Iterator[Beside | Throughput]:
    first = Asked("page 1", f"{viewer.url}{PATH}", viewer.token, at_most=7 if store == "postgresql" else 5)
    get = Asked("get", f"{viewer.url}{PATH}/{job_id}", viewer.token, at_most=5)
    tag = get.send(get.connect())[1]
    again = Asked("get, If-None-Match", get.url, viewer.token, etag=tag, at_most=3)
    cases = (first, get, again)
    with _bare_route({str(number): one.send(one.connect())[0] for number, one in enumerate(cases)}) as url:
        beside = [Asked(one.name, f"{url}/{number}", "") for number, one in enumerate(cases)]
        for one, bare in zip(cases, beside, strict=True):
            yield _in_turn(f"{store}/{one.name}", one, bare, rounds)
        yield _together(f"{store}/page 1, {CALLERS} at a time", first, beside[0], rounds)


@contextmanager
def _bare_route(bodies: Mapping[str, bytes]) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="opsjobs-bare-") as name:
        folder, log = Path(name, "bodies"), Path(name, "log")
        folder.mkdir()
        for file, body in bodies.items():
            (folder / file).write_bytes(body)
        url = f"http://127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "tests.bench.bare_route", url.rpartition(":")[2], str(folder)]
        with running(command, log, lambda: Target(url).get("/0")):
            yield url


def _in_turn(case: str, mine: Asked, bare: Asked, rounds: Rounds) -> Beside:
    ours: list[float] = []
    bares: list[float] = []
    ratios: list[float] = []
    factors: list[float] = []
    for _ in range(rounds.rounds):
        both: tuple[list[float], list[float]] = ([], [])
        for _ in range(max(1, rounds.requests // BLOCK)):
            for asked, times in zip((mine, bare), both, strict=True):
                block, factor = _block(asked)
                times.extend(block)
                factors.append(factor)
        ratios.append(statistics.median(both[0]) / statistics.median(both[1]))
        ours += both[0]
        bares += both[1]
    return Beside(case, ours, bares, ratios, statistics.median(factors), mine.at_most)


def _block(asked: Asked) -> tuple[list[float], float]:
    """Times of one block, and the machine's factor meanwhile."""
    for _ in range(_AGAIN):
        before = addition_milliseconds()
        connection = asked.connect()
        asked.send(connection)
        times = []
        for _ in range(BLOCK):
            begun = time.perf_counter()
            asked.send(connection)
            times.append((time.perf_counter() - begun) * 1000)
        connection.close()
        after = addition_milliseconds()
        if max(before, after) <= _PACE * min(before, after):
            break
    return times, max(1.0, (before + after) / 2 / _QUIET_MILLISECONDS)


def _together(case: str, mine: Asked, bare: Asked, rounds: Rounds) -> Throughput:
    pairs = [(_attack(mine, rounds.seconds), _attack(bare, rounds.seconds)) for _ in range(rounds.rounds)]
    return Throughput(case, [pair[0] for pair in pairs], [pair[1] for pair in pairs], at_least=0.15)


def _attack(asked: Asked, seconds: int) -> float:
    """Answers a second, asked for by a compiled client: threads of Python would take the service's processors.

    Raises:
        RuntimeError: not every request was answered with 200.
    """
    program = str(built(VEGETA) / "vegeta")
    lines = [f"GET {asked.url}", *(f"{name}: {value}" for name, value in asked.headers.items()), "", ""]
    # One after another from each caller: no rate of its own.
    words = ["attack", "-rate=0", f"-workers={CALLERS}", f"-max-workers={CALLERS}", f"-duration={seconds}s"]
    given = "\n".join(lines).encode()
    done = subprocess.run([program, *words], input=given, capture_output=True, check=True)
    said = subprocess.run([program, "report", "-type=json"], input=done.stdout, capture_output=True, check=True)
    report = json.loads(said.stdout)
    if report["success"] < 1:
        raise RuntimeError(f"{asked.url}: {report['status_codes']}, {report['errors'][:3]}")
    return float(report["throughput"])
