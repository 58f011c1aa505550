"""The attacker asks for long tails of very many steps at a time, which the service counts before it hands them on.

250 tails of 10,000 lines, which one caller may have read at a time, took 300 MB of a pod's 512.
"""

import tracemalloc
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from service.api.log_parameters import MAX_TAIL
from service.domain.job_output import Missing
from service.domain.log_lines import Gap, Line, Position, rfc3339_nanoseconds
from service.domain.step_pod import StepPod
from service.jobs.pod_reading import PodReading
from tests.unit.api.test_log import BEGIN, SECOND, Kubelets

#: Of one tail: 250 of them are a small part of the pod's memory.
MOST_BYTES = 400_000


@dataclass
class LongLog(Kubelets):
    """A container that wrote more lines than are asked for; they are made as they are read."""

    async def log(
        self, pod: str, *, follow: bool, since: str = "", tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        self.asked.append({"pod": pod, "follow": follow, "since": since, "tail": tail})
        for number in range(MAX_TAIL + 200):
            yield f"{rfc3339_nanoseconds(BEGIN * SECOND + number)} {number}\n".encode()


async def test_a_long_tail_is_counted_in_little_memory() -> None:
    handed_on: list[bytes] = []
    peaks: list[int] = []

    async def hand_on(_pod: StepPod, lines: Iterable[Line | Gap]) -> Position | None:
        if not peaks:
            peaks.append(tracemalloc.get_traced_memory()[1])
        handed_on.extend(line.text for line in lines if isinstance(line, Line))
        return None

    async def missing(_pod: StepPod, _since: int, _reason: Missing) -> None:
        raise AssertionError

    async def look(pod: StepPod) -> StepPod:
        return pod

    here = LongLog()
    reading = PodReading(
        source=here,
        pod=here.writes("a").pod,
        last=None,
        since=0,
        tail=MAX_TAIL,
        is_shown=lambda _pod, _line: True,
        hand_on=hand_on,
        missing=missing,
        look=look,
    )
    tracemalloc.start()
    try:
        await reading.run(follow=False)
    finally:
        tracemalloc.stop()
    assert (len(handed_on), handed_on[0]) == (MAX_TAIL, b"200")
    assert peaks[0] < MOST_BYTES
