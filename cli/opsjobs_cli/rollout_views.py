"""A rollout as people read it: its phases, what they wait for, and who holds it."""

from collections.abc import Iterator
from typing import Any

from opsjobs_cli import moments
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import Output, cell, console, rows

Job = dict[str, Any]

_LOOKS = {"Done": "green", "Running": "cyan", "Soaking": "yellow", "AwaitingAdvance": "bold yellow"}


def lines(job: Job, output: Output) -> Iterator[tuple[str, str]]:
    """One line a phase, and one where it is paused, each with a style."""
    rollout = job.get("rollout")
    if not rollout:
        return
    if rollout["paused"]:
        yield f"Paused {rollout['paused']}: opsjobs resume {job['jobId']} lets it go on", "bold yellow"
    for phase in rollout["phases"]:
        line = f"Phase {phase['phase']}: {len(phase['nodes'])} nodes, {_state(job, phase, output)}"
        yield line, _LOOKS.get(phase["state"], "")


def _state(job: Job, phase: dict[str, Any], output: Output) -> str:
    match phase["state"]:
        case "AwaitingAdvance":
            return f"waits for opsjobs advance {job['jobId']}"
        case "Soaking":
            return f"soaks {moments.spoken(phase['soakSeconds'])} from {output.time(phase['soakStart'])} on"
        case state:
            return str(state)


def described(job: Job, output: Output) -> None:
    """The phases of a job that has them, as a part of the whole."""
    rollout = job.get("rollout")
    if not rollout:
        return
    screen = console()
    screen.print("\nRollout", style="bold")
    screen.print(cell(_limits(rollout)))
    for line, style in lines(job, output):
        screen.print(cell(line), style=style)
    if output.is_wide:
        columns = ("PHASE", "STATE", "STARTED", "ENDED", "NODES")
        rows(columns, (_row(phase, output) for phase in rollout["phases"]))


def planned(rollout: dict[str, Any] | None) -> None:
    """What a dry run says of it."""
    if not rollout:
        return
    screen = console()
    screen.print("\nRollout", style="bold")
    screen.print(cell(_limits(rollout)))
    rows(("PHASE", "NODES", "SOAK", "THEN"), map(_planned_phase, rollout["phases"]))
    for node in rollout["outOfService"]:
        screen.print(cell(f"{node['name']} is out of service: {node['reason']}"), style="yellow")
    for warning in rollout["warnings"]:
        screen.print(cell(warning), style="yellow")


def _limits(rollout: dict[str, Any]) -> str:
    parts = [f"{rollout['atOnce']} at a time"]
    if "maxUnavailable" in rollout:
        parts.append(f"at most {rollout['maxUnavailable']} out of service")
    parts.append(f"{rollout['failureLimit']} failures tolerated, then {rollout['onFailure']}")
    if topology := rollout.get("topology"):
        group = "a group at a time" if topology.get("together") else f"{topology.get('maxPerGroup')} of a group"
        parts.append(f"{group} by {topology['label']}")
    return ", ".join(map(neutral, parts))


def _row(phase: dict[str, Any], output: Output) -> tuple[object, ...]:
    nodes = ", ".join(phase["nodes"])
    return phase["phase"], phase["state"], output.time(phase["start"]), output.time(phase["end"]), nodes


def _planned_phase(phase: dict[str, Any]) -> tuple[object, ...]:
    return phase["phase"], len(phase["nodes"]), moments.spoken(phase["soakSeconds"]), phase["advance"]
