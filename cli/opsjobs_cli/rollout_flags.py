"""How a job goes over its nodes: the options, and the `rollout` of the API that they say."""

import re
from typing import Annotated, Any

import typer

from opsjobs_cli.complaints import UsageError
from opsjobs_cli.neutral_text import neutral

MaxUnavailable = Annotated[
    str | None,
    typer.Option("--max-unavailable", metavar="N|N%", help="So many of the nodes may be out of service at a time."),
]
FailureLimit = Annotated[
    str | None, typer.Option("--failure-limit", metavar="N|N%", help="So many failed nodes are tolerated.")
]
OnFailure = Annotated[
    str | None, typer.Option("--on-failure", metavar="stop|pause", help="What happens at one more (stop).")
]
Phases = Annotated[
    list[str] | None,
    typer.Option(
        "--phase",
        metavar="NODES[,soak=S][,manual]",
        help="A phase, in order: 1, 10% or rest; then soak S seconds, and wait for opsjobs advance. Repeatable.",
    ),
]
PerGroup = Annotated[
    str | None,
    typer.Option("--per-group", metavar="LABEL=N", help="At most N nodes of one value of the label at a time."),
]
Together = Annotated[
    str | None, typer.Option("--together", metavar="LABEL", help="Nodes of one value of the label all at once.")
]

_GROUP = re.compile(r"(.+)=(\d+)")


def rollout(  # noqa: PLR0913, PLR0917  # one for each option
    max_unavailable: str | None,
    failure_limit: str | None,
    on_failure: str | None,
    phases: list[str] | None,
    per_group: str | None,
    together: str | None,
) -> dict[str, Any] | None:
    """The field of the body; None: none of them was given.

    Raises:
        UsageError: one of them cannot be read. What it may be, the service says.
    """
    said: dict[str, Any] = {
        "maxUnavailable": None if max_unavailable is None else _share(max_unavailable),
        "failureLimit": None if failure_limit is None else _share(failure_limit),
        "onFailure": on_failure,
        "phases": [_phase(text) for text in phases] if phases else None,
        "topology": _topology(per_group, together),
    }
    return {field: value for field, value in said.items() if value is not None} or None


def _share(text: str) -> int | str:
    """A number of nodes is a number in JSON; a share of them, and rest, are texts."""
    return int(text) if text.isdecimal() else text


def _phase(text: str) -> dict[str, Any]:
    nodes, *further = text.split(",")
    phase: dict[str, Any] = {"nodes": _share(nodes)}
    for word in further:
        if word == "manual":
            phase["advance"] = "manual"
        elif word.startswith("soak=") and word.removeprefix("soak=").isdecimal():
            phase["soakSeconds"] = int(word.removeprefix("soak="))
        else:
            raise UsageError(
                f"--phase {neutral(text)!r}: after the nodes come soak=SECONDS and manual, as in 10%,soak=600,manual"
            )
    return phase


def _topology(per_group: str | None, together: str | None) -> dict[str, Any] | None:
    if per_group and together:
        raise UsageError("--per-group and --together say different things of groups: give one of them")
    if together:
        return {"label": together, "together": True}
    if not per_group:
        return None
    match = _GROUP.fullmatch(per_group)
    if not match:
        raise UsageError(f"--per-group {neutral(per_group)!r}: write it like rack=1")
    return {"label": match[1], "maxPerGroup": int(match[2])}
