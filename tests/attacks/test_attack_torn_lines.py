"""Who may read a job's output chooses where it begins, so that a line begins in the middle of a value of its Secret.

Container runtimes cut lines of 16 KiB into pieces with times of their own, and kubelets count these for tailLines and
sinceTime. So the last line of a log could be the second half of a token.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import httpx
import pytest

from service.domain.log_lines import nanoseconds, rfc3339_nanoseconds
from service.domain.masked_lines import Masking
from tests.unit.api.test_log import BEGIN, SECOND, URL, Kubelets, job
from tests.unit.api.wired import client_of

TOKEN = "hunter2-" + "".join(f"{number:x}" for number in range(100, 124))


@dataclass
class PiecesOfLines(Kubelets):
    """Kubelets with one container, whose log is pieces of lines: what they give out begins with any of these."""

    pieces: tuple[str, ...] = ()

    async def log(
        self, pod: str, *, follow: bool, since: str = "", tail: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        self.asked.append({"pod": pod, "follow": follow, "since": since, "tail": tail})
        from_then = nanoseconds(since.encode()) or 0 if since else 0
        timed = [(BEGIN * SECOND + index * SECOND, piece) for index, piece in enumerate(self.pieces)]
        kept = [(at, piece) for at, piece in timed if at >= from_then]
        begins = True
        for at, piece in kept if tail is None else kept[-tail:]:
            yield (f"{rfc3339_nanoseconds(at)} " if begins else "").encode() + piece.encode()
            begins = piece.endswith("\n")


def wrote(*pieces: str) -> PiecesOfLines:
    here = PiecesOfLines(
        jobs={"job-abc123": job("n1", options={"env": {"TOKEN": "***"}})}, secret={"TOKEN": TOKEN}, pieces=pieces
    )
    here.writes("a", nodes=("n1",))
    return here


async def read(here: Kubelets, query: dict[str, str], **headers: str) -> httpx.Response:
    async with client_of(here.app()) as client:
        answer = await client.get(URL, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


#: In pieces of the runtime's; a short line would do as well for what the service makes of it.
LINE = ("x" * 16_000 + TOKEN[:30], TOKEN[30:] + " is it\n")
LAST = {"sinceTime": rfc3339_nanoseconds((BEGIN + 1) * SECOND)}


@pytest.mark.parametrize("accept", ["text/plain", "text/event-stream"])
async def test_the_time_of_half_a_line_shows_no_half_of_a_value(accept: str) -> None:
    answer = await read(wrote(*LINE), LAST, Accept=accept)
    assert "*** is it" in answer.text
    assert TOKEN[-8:] not in answer.text


async def test_a_tail_that_begins_with_half_a_line_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobs.pod_reading._LEFT_OUT_LINES", 0)
    answer = await read(wrote(*LINE), {"tailLines": "1"})
    assert answer.text == "*** is it\n"


async def test_nor_does_an_event_id_that_was_made_up() -> None:
    here = wrote(*LINE, "more\n")
    one = (await read(here, {}, Accept="text/event-stream")).text
    event_id = next(line for line in one.splitlines() if line.startswith("id: ")).removeprefix("id: ")
    begun, entry = event_id.split("~")
    track, pod, _, _ = entry.split(".")
    made_up = f"{begun}~{track}.{pod}.{(BEGIN + 1) * SECOND - 1:x}.0"
    for forged in (made_up, f"{begun}~{track}.{pod}.{(BEGIN + 1) * SECOND:x}.0"):
        answer = await read(here, {}, Accept="text/event-stream", **{"Last-Event-ID": forged})
        assert TOKEN[-8:] not in answer.text


async def test_a_container_that_was_killed_as_it_wrote_shows_none() -> None:
    answer = await read(wrote("it is " + TOKEN[:40]), {})
    assert answer.text == "it is ***\n"


@pytest.mark.parametrize("at", range(4, len(TOKEN) - 3))
def test_wherever_the_value_was_cut(at: int) -> None:
    masking = Masking([TOKEN])
    assert masking.line(TOKEN[at:].encode() + b" end", begins=False) == b"*** end"
    assert masking.line(b"begin " + TOKEN[:at].encode(), ends=False) == b"begin ***"
    assert masking.line(TOKEN[at - 4 : at].encode(), begins=False) == b"***"


def test_a_value_that_overlaps_with_itself_leaves_nothing_of_either() -> None:
    assert Masking(["abcabcab"]).line(b"<abcabcabcabcab>") == b"<***>"
    assert Masking(["a" * 20]).line(b"<" + b"a" * 95 + b">") == b"<***>"
    assert Masking(["aabaa"]).line(b"<aabaabaabaa aabaa>") == b"<*** ***>"
