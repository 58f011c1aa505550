import re
import sys
from pathlib import Path

import pytest

from local_cluster.stages import StageError, Stages, spoken


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path / "logs")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (59.6, "1 min 00 s"), (65, "1 min 05 s"), (3600, "60 min 00 s")],
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert spoken(seconds) == said


def test_a_stage_says_how_long_it_took(stages: Stages, capsys: pytest.CaptureFixture[str]) -> None:
    with stages.stage("Making Bread"):
        pass
    assert re.fullmatch(r"  Making Bread: \d+\.\d s\n", capsys.readouterr().out)


def test_what_a_tool_writes_is_returned_and_logged(stages: Stages) -> None:
    with stages.stage("Making Bread") as stage:
        assert stage.run(["cat"], given="flour") == "flour"
    assert (stages.logs / "making-bread.log").read_text() == "$ cat\nflour"


def test_a_tool_that_fails_ends_the_stage_with_its_last_words_and_where_the_log_is(stages: Stages) -> None:
    program = "import sys; print('burnt', file=sys.stderr); sys.exit(3)"
    with pytest.raises(StageError) as caught, stages.stage("Making Bread") as stage:
        stage.run([sys.executable, "-c", program])
    message = str(caught.value)
    assert "ended with 3" in message
    assert "    burnt" in message
    assert str(stages.logs / "making-bread.log") in message


def test_a_tool_that_is_not_there_is_named(stages: Stages) -> None:
    with pytest.raises(StageError, match="no-such-oven is not installed"), stages.stage("Making Bread") as stage:
        stage.run(["no-such-oven"])


def test_a_log_tells_only_the_last_run(stages: Stages) -> None:
    for word in ("first", "second"):
        with stages.stage("Making Bread") as stage:
            stage.note(word)
    assert (stages.logs / "making-bread.log").read_text() == "second\n"


def test_a_stage_that_fails_is_not_told_as_done(stages: Stages, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StageError), stages.stage("Making Bread"):
        raise StageError("no flour")
    assert capsys.readouterr().out == ""
