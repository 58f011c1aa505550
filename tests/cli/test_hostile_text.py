"""What others wrote is shown, and does nothing: neither to the terminal nor to what lays out the tables."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from opsjobs_cli import live_view, neutral_text
from opsjobs_cli.printing import Output, console

from service.domain.job import Condition, ExcludedNode, JobType, Named, NodePhase, Phase, Plan, PlannedNode
from tests.cli.conftest import Opsjobs
from tests.cli.served import Served

NOW = datetime.now(UTC)
#: Sets the title, moves the cursor, clears the screen, in 7 and 8 bits; turns text around; is rich's markup and emoji.
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\b\u202eevil\u2066\u2028\x7f[red]not red[/red][/] :smile: [link=http://x]y"
DRIVING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


@pytest.fixture
def job_id(service: Served) -> str:
    """A job of which every text is hostile."""
    if service.has("hostile-aaaaaa"):
        return "hostile-aaaaaa"
    node = PlannedNode(HOSTILE, NodePhase.FAILED, HOSTILE, NOW, NOW)
    report = [{"node": HOSTILE, "result": HOSTILE, "message": HOSTILE, "templates": [
        {"name": HOSTILE, "result": HOSTILE, "exitCode": 1, "lastLines": HOSTILE}]}]  # fmt: skip
    service.add(
        JobType.ADDON,
        job_id="hostile-aaaaaa",
        job_name=HOSTILE,
        user_name=HOSTILE,
        workspace_id="w-hostile",
        phase=Phase.FAILED,
        conditions=(Condition(Phase.FAILED, HOSTILE, HOSTILE, NOW),),
        inputs=(Named("addon.template", HOSTILE),),
        outputs=(Named("report", json.dumps(report)), Named(HOSTILE, HOSTILE)),
        plan=Plan((node,), (ExcludedNode(HOSTILE, HOSTILE),)),
        options={"env": {"A": HOSTILE}, "image": HOSTILE},
    )
    return "hostile-aaaaaa"


@pytest.mark.parametrize("words", [["list", "-w", "w-hostile"], ["get"], ["watch"], ["report"]])
@pytest.mark.parametrize("shape", ["table", "wide", "json", "yaml", "name"])
def test_nothing_of_it_reaches_the_terminal(opsjobs: Opsjobs, job_id: str, words: list[str], shape: str) -> None:
    job = [] if words[0] == "list" else [job_id]
    ended = opsjobs(*words, *job, "-o", shape)
    assert ended.code == (1 if words[0] == "watch" else 0), ended.err
    assert not DRIVING.search(ended.out + ended.err)
    if shape in ("table", "wide"):
        assert "[red]not red[/red]" in re.sub(r"\s+", " ", ended.out)
        assert ":smile:" in ended.out


def test_a_program_still_reads_it_as_it_was(opsjobs: Opsjobs, job_id: str) -> None:
    assert json.loads(opsjobs("get", job_id, "-o", "json").out)["jobName"] == HOSTILE
    assert yaml.safe_load(opsjobs("get", job_id, "-o", "yaml").out)["jobName"] == HOSTILE


def test_a_live_table_shows_it_and_obeys_nothing(opsjobs: Opsjobs, job_id: str) -> None:
    job = json.loads(opsjobs("get", job_id, "-o", "json").out)
    screen = console()
    with screen.capture() as shown:
        screen.print(live_view.picture(job, Output(), room=5))
    assert not DRIVING.search(shown.get())
    assert "[red]not red[/red]" in shown.get()


def test_refusals_say_it_and_obey_nothing(opsjobs: Opsjobs) -> None:
    ended = opsjobs("reboot", "--node", HOSTILE)
    assert ended.code == 3
    assert not DRIVING.search(ended.err)
    assert not DRIVING.search(opsjobs("get", HOSTILE).err)


@given(st.text(alphabet=st.characters(), max_size=30))
def test_no_text_keeps_what_drives_a_terminal(text: str) -> None:
    assert not DRIVING.search(neutral_text.neutral(text))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", neutral_text.neutral_lines(text))
    document = neutral_text.neutral_json(json.dumps({"a": text}, ensure_ascii=False))
    assert not DRIVING.search(document)
    assert json.loads(document) == {"a": text}


def test_ordinary_text_stays_as_it_is() -> None:
    words = "Grüße, 東京, Ελλάδα, emoji 🚀, tab-free; 100 %"
    assert neutral_text.neutral(words) == words
    assert neutral_text.neutral("a\nb\x1b[1m") == "a\\nb\\x1b[1m"
    assert neutral_text.neutral_lines("a\n\tb\x1b") == "a\n\tb\\x1b"
    assert replace(Output(), utc=True).time("2026-01-02T03:04:05.678Z") == "2026-01-02 03:04:05Z"
