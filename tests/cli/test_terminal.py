"""The command in a real terminal, against the real service on a real port."""

import os
import re
import subprocess
import sys

import pytest
from opsjobs_cli import command_tree
from typer._completion_shared import get_completion_script

from service.domain.cluster_objects import Node
from tests.cli.conftest import Opsjobs
from tests.cli.served import Served
from tests.cli.terminal import Terminal

pytestmark = pytest.mark.usefixtures("opsjobs")  # its environment

MANY = 1000
#: A letter in a colour of its own.
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]m")


@pytest.fixture
def many(service: Served) -> Served:
    service.world.node_list = [Node(f"node-{number:04}") for number in range(MANY)]
    return service


def test_a_person_sees_the_whole_plan_and_says_no(many: Served) -> None:
    terminal = Terminal("addon", "-t", "fix", "--cluster", "local")
    terminal.until(r"Run addon on these 1000 nodes\? \[y/N\]")
    assert set(re.findall(r"node-\d{4}", terminal.screen)) == {node.name for node in many.world.node_list}
    terminal.press("\n")
    assert terminal.ended() == 1
    assert "nothing was submitted" in terminal.screen
    assert many.jobs() == []


def test_what_a_person_confirms_is_what_runs(many: Served) -> None:
    terminal = Terminal("addon", "-t", "fix", "--cluster", "local")
    terminal.until(r"\[y/N\]")
    many.world.node_list.append(Node("came-later"))
    terminal.press("y\n")
    assert terminal.ended() == 3
    assert "Nothing was submitted" in terminal.screen
    assert many.jobs() == []


def test_a_confirmed_job_runs(many: Served) -> None:
    terminal = Terminal("addon", "-t", "fix", "--cluster", "local")
    terminal.until(r"\[y/N\]")
    terminal.press("yes\n")
    assert terminal.ended() == 0
    (job_id,) = many.jobs()
    assert f"opsjobs watch {job_id}" in terminal.screen
    assert len(many.job(job_id).plan.nodes) == MANY


def test_a_job_is_watched_to_its_end(opsjobs: Opsjobs, service: Served) -> None:
    job_id = opsjobs("addon", "-t", "fix", "--cluster", "local").out.strip()
    terminal = Terminal("watch", job_id)
    terminal.until(r"0/2 +2 Pending")
    service.run(job_id)
    terminal.until(r"0/2 +2 Running")
    service.end(job_id)
    assert terminal.ended() == 0
    assert re.search(r"2/2 +2 Succeeded", terminal.screen)
    assert COLOUR.search(terminal.raw)


@pytest.mark.usefixtures("many")
def test_a_table_of_a_thousand_nodes_fits_on_the_screen(opsjobs: Opsjobs) -> None:
    job_id = opsjobs("addon", "-t", "fix", "--cluster", "local", "--yes").out.strip()
    terminal = Terminal("watch", job_id)
    screen = terminal.until("and 970 Pending")
    assert len(screen.rstrip().splitlines()) <= 40
    terminal.press("\x03")
    assert terminal.ended() == 130


def test_ctrl_c_leaves_the_job_running_and_says_how_to_come_back(opsjobs: Opsjobs, service: Served) -> None:
    job_id = opsjobs("reboot", "--node", "n1").out.strip()
    terminal = Terminal("watch", job_id)
    terminal.until("Pending")
    terminal.press("\x03")
    assert terminal.ended() == 130
    assert f"opsjobs watch {job_id}" in terminal.screen
    assert "Traceback" not in terminal.screen
    assert service.job(job_id).stop_requested is None


def test_no_color_is_no_colour(opsjobs: Opsjobs, service: Served) -> None:
    job_id = opsjobs("reboot", "--node", "n1").out.strip()
    service.end(job_id)
    terminal = Terminal("get", job_id, NO_COLOR="1")
    assert terminal.ended() == 0
    assert not COLOUR.search(terminal.raw)


def test_a_hostile_name_does_not_drive_the_terminal(opsjobs: Opsjobs, service: Served) -> None:
    hostile = "a\x1b]0;owned\x07\x1b[5m\x9b5m\u202e[blink]"
    job_id = opsjobs("reboot", "--node", "n1", "--name", hostile).out.strip()
    service.end(job_id)
    for words in (["get", job_id], ["watch", job_id], ["list", "--limit", "5"]):
        terminal = Terminal(*words)
        terminal.ended()
        assert "owned" in terminal.screen
        # A watch shows the id, which is made of harmless letters.
        assert words[0] == "watch" or "[blink]" in terminal.screen
        assert not re.search("\x1b]|\x07|\x1b\\[5m|\x9b|\u202e", terminal.raw)


def test_help_and_completion_import_nothing_that_is_slow() -> None:
    """What takes long to import would be felt at every Tab."""
    for argument, environment in (
        ("--help", {}),
        ("", {"_OPSJOBS_COMPLETE": "complete_bash", "COMP_WORDS": "opsjobs l", "COMP_CWORD": "1"}),
    ):
        code = (
            "import sys; from opsjobs_cli import entry; sys.argv = ['opsjobs', *sys.argv[1:]]\n"
            "try: entry.run()\nexcept SystemExit: pass\n"
            "print('SLOW:', *[name for name in ('httpx', 'rich', 'yaml', 'pydantic') if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *([argument] if argument else [])],
            capture_output=True, text=True, check=True, env=os.environ | environment,
        )  # fmt: skip
        assert "list" in done.stdout
        assert done.stdout.strip().endswith("SLOW:")


def test_every_command_has_help_and_says_how_it_ends(opsjobs: Opsjobs) -> None:
    listed = opsjobs("--help").out
    for name in command_tree._COMMANDS:
        assert f"  {name} " in listed
        shown = opsjobs(name, "--help")
        assert shown.code == 0
        assert f"opsjobs {name} " in shown.out
        assert "124 waited too long" in " ".join(shown.out.split())
    for name in ("set", "use", "list", "delete"):
        assert opsjobs("context", name, "--help").code == 0
    assert opsjobs("lst").code == 2
    assert opsjobs().code in (0, 2)


@pytest.mark.parametrize("begun", ["l", "logs made-aaaaaa --n", "reboot --no"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_commands_and_options(opsjobs: Opsjobs, shell: str, begun: str) -> None:
    words = f"opsjobs {begun}"
    opsjobs.environment.setenv("_OPSJOBS_COMPLETE", f"complete_{shell}")
    if shell == "bash":
        # As its script joins them.
        opsjobs.environment.setenv("COMP_WORDS", words.replace(" ", "\n"))
        opsjobs.environment.setenv("COMP_CWORD", str(words.count(" ")))
    else:
        opsjobs.environment.setenv("_TYPER_COMPLETE_ARGS", words)
        opsjobs.environment.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    offered = re.findall(r"[\w-]+", opsjobs().out)
    assert {"logs", "list"} <= set(offered) if begun == "l" else "--node" in offered


def test_zsh_completes_at_the_first_tab(opsjobs: Opsjobs) -> None:
    """It loads the script at that one, and calls it; typer's own would only register itself."""
    assert opsjobs("--version").code == 0
    script = get_completion_script(prog_name="opsjobs", complete_var="_OPSJOBS_COMPLETE", shell="zsh")  # noqa: S604 - its name
    assert script.startswith("#compdef opsjobs\n")
    assert 'if [ "$funcstack[1]" = "_opsjobs" ]; then _opsjobs_completion "$@"; fi' in script


def test_names_are_completed_from_the_service(opsjobs: Opsjobs, service: Served) -> None:
    job_id = opsjobs("reboot", "--node", "n1", "--name", "complete me").out.strip()
    opsjobs.environment.setenv("_OPSJOBS_COMPLETE", "complete_bash")
    opsjobs.environment.setenv("COMP_WORDS", "opsjobs watch complete-")
    opsjobs.environment.setenv("COMP_CWORD", "2")
    assert job_id in opsjobs().out.split()
    service.instead = [(500, {})]
    assert opsjobs().out.split() == []
