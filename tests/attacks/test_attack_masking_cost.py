"""The attacker's preflight job has a thousand values in its Secret, and output that looks like all of them.

A line of 32 KiB took 160 ms of the event loop, and twenty streams of such lines held up every other caller for seconds.
"""

import threading
from typing import Any

import pytest

from service.domain.job import JobType
from service.domain.masked_lines import Masking
from tests.unit.api.test_log import URL, job, world
from tests.unit.api.wired import client_of


@pytest.mark.parametrize(("values", "threads"), [(1_000, {"masking_0"}), (10, {"MainThread"})])
async def test_very_many_values_are_masked_apart_from_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, values: int, threads: set[str]
) -> None:
    used = set()
    line = Masking.line

    def noted(masking: Masking, text: bytes, **torn: Any) -> bytes:
        if len(text) > 1_000:
            used.add(threading.current_thread().name)
        return line(masking, text, **torn)

    monkeypatch.setattr(Masking, "line", noted)
    secret = {f"V{number}": "a" * 15 + chr(0x100 + number) + "a" * 15 for number in range(values)}
    here = world("n1")
    here.jobs["job-abc123"] = job("n1", type=JobType.PREFLIGHT, options={"env": dict.fromkeys(secret, "***")})
    here.secret = secret
    here.writes("a", "a" * 16_000, f"it is {secret['V7']}", nodes=("n1",))
    async with client_of(here.app()) as client:
        answer = await client.get(URL)
    assert answer.text.endswith("\nit is ***\n")
    assert used == threads
