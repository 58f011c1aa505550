"""A job while it runs: a table that renews itself on a terminal, a line for each change elsewhere."""

import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opsjobs_cli import moments, rollout_views
from opsjobs_cli.following import FINAL, Following
from opsjobs_cli.job_views import by_interest
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import PHASE_STYLES, Output, cell, console, say

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

Job = dict[str, Any]

#: Lines of the screen that are not for nodes: facts, bar, head, conditions, what was not shown.
_OTHER_LINES = 10
_LAST_CONDITIONS = 3
#: Nodes of a job that has ended: what is left on the screen is all of it.
_ALL = 1_000_000
_BAR = 40


def watch(following: Following, output: Output) -> Job:
    """Show the job until it has ended; returns it as it is then."""
    if sys.stdout.isatty():
        return _on_a_terminal(following, output)
    # Before anything else: whatever becomes of this command, the job can be asked for.
    say(neutral(following.job_id))
    seen: dict[str, str] = {}
    last: Job = {}
    with following.leaving():
        for last in following.states():
            for line in changes(last, seen, output):
                say(line)
            sys.stdout.flush()
    return last


def quietly(following: Following) -> Job:
    """Wait without a word; returns the job as it ended."""
    with following.leaving():
        return deque(following.states(), maxlen=1).pop()


def changes(job: Job, seen: dict[str, str], output: Output) -> Iterator[str]:
    """What is new since the last look, a line each; `seen` remembers that look."""
    now = {f"condition {at}": _condition(one, output) for at, one in enumerate(job["conditions"])}
    for at, (line, _) in enumerate(rollout_views.lines(job, output)):
        now[f"rollout {at}"] = f"  {line}"
    for node in job["plan"]["nodes"]:
        if node["phase"] != "Pending" or node["message"]:
            now[f"node {node['name']}"] = _node(node)
    for key, line in now.items():
        if seen.get(key) != line:
            seen[key] = line
            yield neutral(line)


def _condition(condition: dict[str, str], output: Output) -> str:
    time = output.time(condition["lastTransitionTime"])
    return f"{time}  job {condition['type']} ({condition['reason']}): {condition['message']}"


def _node(node: dict[str, str]) -> str:
    return f"  {node['name']}: {node['phase']}{': ' if node['message'] else ''}{node['message']}"


def _on_a_terminal(following: Following, output: Output) -> Job:
    from rich.live import Live

    screen = console()
    shown = _Shown({}, output)
    with (
        following.leaving(),
        # Drawn so often a second, however many events come: a thousand nodes that begin at once are one picture.
        Live(shown, console=screen, refresh_per_second=2, redirect_stderr=True, redirect_stdout=False) as live,
    ):
        for shown.job in following.states():
            if not shown.drawn:
                live.refresh()
    return shown.job


@dataclass
class _Shown:
    """The latest state of a job, drawn when the screen is."""

    job: Job
    output: Output
    drawn: bool = False

    def __rich_console__(self, screen: "Console", _options: "ConsoleOptions") -> Iterator[Any]:
        if not self.job:
            return
        self.drawn = True
        room = _ALL if self.job["phase"] in FINAL else screen.height - _OTHER_LINES
        yield picture(self.job, self.output, room)


def picture(job: Job, output: Output, room: int) -> Any:
    """The job on a screen with room for so many nodes."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Text.assemble(
        (neutral(job["jobId"]), "bold"),
        f"  {neutral(job['type'])}  ",
        (neutral(job["phase"]), PHASE_STYLES.get(job["phase"], "")),
        f"  {moments.took(job['startTime'], job['endTime'])}",
    )
    phases = [Text(neutral(line), style=style) for line, style in rollout_views.lines(job, output)]
    room = max(3, room - len(phases))
    nodes = by_interest(job["plan"]["nodes"])
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("NODE", "PHASE", "TOOK", "MESSAGE"):
        table.add_column(column, overflow="ellipsis", no_wrap=True)
    for node in nodes[:room]:
        took = moments.took(node["start"], node["end"])
        table.add_row(cell(node["name"]), cell(node["phase"], phase=True), took, cell(node["message"]))
    parts: list[Any] = [head, *([_bar(job)] if nodes else []), *phases, *([table] if nodes else [])]
    if len(nodes) > room:
        left = Counter(node["phase"] for node in nodes[room:])
        parts.append(Text(f"… and {', '.join(f'{count} {neutral(phase)}' for phase, count in left.items())}"))
    parts += [
        Text(neutral(_condition(one, output)), overflow="ellipsis", no_wrap=True)
        for one in job["conditions"][-_LAST_CONDITIONS:]
    ]
    return Group(*parts)


def _bar(job: Job) -> Any:
    """How many nodes are through, and how."""
    from rich.text import Text

    phases = Counter(node["phase"] for node in job["plan"]["nodes"])
    whole = sum(phases.values())
    bar = Text()
    drawn = 0
    for phase in ("Succeeded", "Failed", "Skipped", "Running"):
        width = round(_BAR * phases[phase] / whole)
        bar.append("━" * width, PHASE_STYLES[phase])
        drawn += width
    bar.append("━" * max(0, _BAR - drawn), "dim")
    counts = ", ".join(f"{phases[phase]} {phase}" for phase in (*PHASE_STYLES, "Waiting", "Pending") if phases[phase])
    bar.append(f" {job['progress']}  {counts}")
    return bar
