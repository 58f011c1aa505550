import json
from pathlib import Path

import httpx

from tests.bench.bare import Beside, Throughput
from tests.bench.bare_route import bare


def beside(*ratios: float, at_most: float | None = 5) -> Beside:
    return Beside("sqlite/page 1", [4.0, 5.0, 6.0], [1.0, 1.0, 2.0], ratios, factor=1.5, at_most=at_most)


def test_the_median_of_the_rounds_is_judged() -> None:
    assert beside(4, 5, 9).reached
    assert not beside(4, 5.1, 6).reached
    assert beside(9, at_most=None).reached


def test_what_is_kept_says_both_sides() -> None:
    kept = json.loads(json.dumps(beside(4, 5, 9).record()))
    wanted = {"p50_ms": 5, "bare_p50_ms": 1, "ratio": 5, "ratio_target": 5, "machine_factor": 1.5, "n": 3}
    assert kept.items() >= wanted.items()


def test_throughput_is_a_share_of_the_bare_routes() -> None:
    assert Throughput("case", [15, 20, 16], [100, 100, 100], at_least=0.15).share == 0.16
    assert not Throughput("case", [14, 14, 90], [100, 100, 100], at_least=0.15).reached


async def test_the_bare_route_returns_the_very_bytes(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b'{"totalCount":0,"items":[]}')
    (tmp_path / "1").write_bytes(b"")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(bare(tmp_path)), base_url="http://test") as client:
        full, empty = await client.get("/0"), await client.get("/1")
    assert (full.status_code, full.content) == (200, b'{"totalCount":0,"items":[]}')
    assert (empty.status_code, empty.content) == (304, b"")
