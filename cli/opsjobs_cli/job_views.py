"""Jobs as people read them: a list, one job with its plan, the plan of a dry run."""

from collections.abc import Iterable
from typing import Any

from opsjobs_cli import moments, rollout_views
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import Output, cell, console, rows, say

Job = dict[str, Any]

#: Nodes that a plan shows before it only counts, unless it is wide.
SHOWN_NODES = 40
#: What stands before the name of every ServiceAccount; a list without it fits on more screens.
_ACCOUNT = "system:serviceaccount:"
_LIST = ("JOB", "TYPE", "PHASE", "NAME", "USER", "CREATED", "TOOK")
_WIDE_LIST = (*_LIST, "WORKSPACE", "CLUSTER", "STARTED", "ENDED", "DELETED")


def listed(jobs: Iterable[Job], output: Output) -> None:
    rows(_WIDE_LIST if output.is_wide else _LIST, (_line(job, output) for job in jobs))


def _line(job: Job, output: Output) -> list[object]:
    line = [
        job["jobId"],
        job["type"],
        job["phase"],
        job["jobName"],
        job["userName"] if output.is_wide else job["userName"].removeprefix(_ACCOUNT),
        output.time(job["creationTime"]),
        moments.took(job["startTime"], job["endTime"]),
    ]
    if output.is_wide:
        times = (output.time(job[name]) for name in ("startTime", "endTime", "deletionTime"))
        line += [job["workspaceId"], job["clusterId"], *times]
    return line


def described(job: Job, output: Output) -> None:
    """All of one job that a person looks for first."""
    from rich.table import Table

    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for name, value in _facts(job, output):
        if value != "":
            facts.add_row(name, cell(value, phase=name == "Phase"))
    screen = console()
    screen.print(facts)
    rollout_views.described(job, output)
    _planned(job["plan"], output, wide=output.is_wide)
    screen.print("\nHistory", style="bold")
    lines = ((output.time(c["lastTransitionTime"]), c["type"], c["reason"], c["message"]) for c in job["conditions"])
    rows(("TIME", "PHASE", "REASON", "MESSAGE"), lines)
    if job["outputs"]:
        screen.print("\nOutputs", style="bold")
        rows(("NAME", "VALUE"), ((o["name"], _short(o["value"], wide=output.is_wide)) for o in job["outputs"]))


def _facts(job: Job, output: Output) -> Iterable[tuple[str, object]]:
    yield "Job", job["jobId"]
    yield "Name", job["jobName"]
    yield "Type", job["type"]
    yield "Phase", job["phase"]
    yield "Progress", f"{job['progress']} nodes" if job["plan"]["nodes"] else ""
    yield "User", job["userName"]
    yield "Workspace", job["workspaceId"]
    yield "Cluster", job["clusterId"]
    yield "Retry of", job.get("retryOf", "")
    yield "Inputs", ", ".join(f"{item['name']}={item['value']}" for item in job["inputs"])
    yield "Created", output.time(job["creationTime"])
    yield "Started", output.time(job["startTime"])
    yield "Ended", output.time(job["endTime"])
    yield "Took", moments.took(job["startTime"], job["endTime"])
    yield "Deleted", output.time(job["deletionTime"])
    yield "Timeout", f"{job['timeoutSecond']} s" if job["timeoutSecond"] > 0 else ""
    yield "Image", job.get("image", "")
    yield "Environment", ", ".join(f"{name}={value}" for name, value in job["env"].items())
    yield "In Argo", job.get("links", {}).get("argo", "")


def dry_run(answer: dict[str, Any], output: Output) -> None:
    """A plan that was not run."""
    nodes, excluded = answer["plan"]["nodes"], answer["plan"]["excluded"]
    screen = console()
    screen.print(f"It would work on {len(nodes)} nodes; nothing was created.", style="bold")
    screen.print(cell("  ".join(node["name"] for node in nodes)))
    rollout_views.planned(answer.get("rollout"))
    _left_out(excluded, wide=output.is_wide)
    say(f"\nTo run exactly this: --expected-plan {neutral(answer['planDigest'])}")


def to_be_confirmed(plan: dict[str, Any]) -> None:
    """A plan before a person says yes to it, on standard error: all of it, for what is shown is what runs."""
    screen = console(error=True)
    screen.print(f"This works on {len(plan['nodes'])} nodes:", style="bold")
    screen.print(cell("  ".join(node["name"] for node in plan["nodes"])))
    if plan["excluded"]:
        screen.print(f"Left out: {len(plan['excluded'])} nodes", style="bold")
        for node in plan["excluded"][:SHOWN_NODES]:
            screen.print(cell(f"  {node['name']}: {node['reason']}"))


def _planned(plan: dict[str, Any], output: Output, *, wide: bool) -> None:
    nodes, excluded = plan["nodes"], plan["excluded"]
    screen = console()
    if nodes:
        first = nodes if wide else by_interest(nodes)[:SHOWN_NODES]
        screen.print("\nNodes", style="bold")
        rows(("NODE", "PHASE", "STARTED", "TOOK", "MESSAGE"), (_node(node, output) for node in first))
        _more(len(nodes) - len(first))
    _left_out(excluded, wide=wide)


def _left_out(excluded: list[dict[str, Any]], *, wide: bool) -> None:
    if excluded:
        console().print("\nLeft out", style="bold")
        first = excluded if wide else excluded[:SHOWN_NODES]
        rows(("NODE", "REASON"), ((node["name"], node["reason"]) for node in first))
        _more(len(excluded) - len(first))


def _node(node: dict[str, Any], output: Output) -> tuple[object, ...]:
    return (
        node["name"],
        node["phase"],
        output.time(node["start"]),
        moments.took(node["start"], node["end"]),
        node["message"],
    )


def by_interest(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Failed nodes first, then those in work, then those that wait; each in the order of the plan."""
    turn = {"Failed": 0, "Running": 1, "Waiting": 2, "Pending": 3, "Skipped": 4, "Succeeded": 5}
    return sorted(nodes, key=lambda node: turn.get(node["phase"], 3))


def _more(count: int) -> None:
    if count > 0:
        console().print(f"… and {count} more (-o wide shows all)")


def _short(value: str, *, wide: bool) -> str:
    """A report has thousands of characters; it has a command of its own."""
    longest = 200
    return value if wide or len(value) <= longest else f"{value[:longest]}… ({len(value)} characters: -o wide, or json)"
