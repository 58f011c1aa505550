"""What a benchmark found: times of one case, printed as a line and kept in build/bench.json."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

FILE = Path(__file__).parents[2] / "build" / "bench.json"


def addition_milliseconds() -> float:
    """What a million additions take."""
    begun, total = time.perf_counter(), 0
    for number in range(1_000_000):
        total += number
    return (time.perf_counter() - begun) * 1000


def machine() -> str:
    """What tells figures of two machines, or of a machine and its busier hour, apart."""
    took = addition_milliseconds()
    load, processors = os.getloadavg()[0], os.cpu_count()
    return (
        f"load of the machine before: {load:.1f} on {processors} processors; a million additions take it {took:.0f} ms"
    )


class Case(Protocol):
    """What a part keeps of one case."""

    @property
    def case(self) -> str: ...

    def record(self) -> Mapping[str, float | str | None]: ...


@dataclass(frozen=True)
class Figures:
    """Milliseconds of every answer of one case.

    `target_ms` is for p99; None: there is none. `argo_ratio` is how many times as long argo-server takes at the
    median, and has to be at least `least_ratio`; where argo-server was not measured that is not judged.
    """

    case: str
    times: Sequence[float]
    target_ms: float | None = None
    argo_ratio: float | None = None
    least_ratio: float | None = None

    def at(self, percent: float) -> float:
        """The time that this share of the answers did not exceed."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]

    @property
    def reached(self) -> bool:
        return (self.target_ms is None or self.at(99) <= self.target_ms) and self.far_enough_from_argo

    @property
    def far_enough_from_argo(self) -> bool:
        return self.least_ratio is None or self.argo_ratio is None or self.argo_ratio >= self.least_ratio

    def line(self) -> str:
        in_time = self.target_ms is None or self.at(99) <= self.target_ms
        target = "" if self.target_ms is None else f"{self.target_ms:8.1f}  {'ok' if in_time else 'MISSED'}"
        ratio = "" if self.argo_ratio is None else f"  argo takes {self.argo_ratio:.1f} times as long"
        ratio += "" if self.far_enough_from_argo else f", at least {self.least_ratio:g}: MISSED"
        quantiles = "".join(f"{self.at(percent):9.1f}" for percent in (50, 95, 99))
        return f"  {self.case:<52}{len(self.times):6}{quantiles}  {target}{ratio}"

    def record(self) -> dict[str, float | None]:
        p50, p95, p99 = (round(self.at(percent), 2) for percent in (50, 95, 99))
        return {
            "n": len(self.times),
            "p50_ms": p50,
            "p95_ms": p95,
            "p99_ms": p99,
            "target_ms": self.target_ms,
            "argo_ratio": self.argo_ratio,
        }


@dataclass(frozen=True)
class Amount:
    """One number that is no time of an answer, in its unit. `target` is what it may be at most; None: there is none."""

    case: str
    value: float
    unit: str
    target: float | None = None

    @property
    def reached(self) -> bool:
        return self.target is None or self.value <= self.target

    def line(self) -> str:
        target = "" if self.target is None else f"  at most {self.target:g}: {'ok' if self.reached else 'MISSED'}"
        return f"  {self.case:<52}{self.value:>15,.1f} {self.unit}{target}"

    def record(self) -> dict[str, float | str | None]:
        return {"value": round(self.value, 2), "unit": self.unit, "target": self.target}


HEADER = f"  {'case':<52}{'n':>6}{'p50':>9}{'p95':>9}{'p99':>9}  {'target':>8}   (ms; the target is for p99)"


def keep(part: str, found: Sequence[Case], file: Path = FILE) -> None:
    """Write a part's cases, in place of those it had; other parts' stay."""
    cases = json.loads(file.read_text()) if file.exists() else {}
    cases = {case: record for case, record in cases.items() if not case.startswith(f"{part}/")}
    cases.update({f"{part}/{figures.case}": figures.record() for figures in found})
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n")
