"""Options that several commands share, each with its meaning once."""

from typing import Annotated

import typer

from opsjobs_cli import suggestions

_TARGETS = "Which nodes (the same again adds up, different ones narrow each other)"
_SUBMISSION = "How it is submitted"

Nodes = Annotated[
    list[str] | None,
    typer.Option(
        "--node", metavar="NAME", rich_help_panel=_TARGETS, help="A node. Repeatable.", autocompletion=suggestions.nodes
    ),
]
Selectors = Annotated[
    list[str] | None,
    typer.Option("--selector", "-l", metavar="LABELS", help="Nodes by their labels: gpu=h100,rack in (r1,r2)."),
]
Workspaces = Annotated[
    list[str] | None, typer.Option("--workspace", "-w", metavar="ID", help="The nodes of a workspace. Repeatable.")
]
Workloads = Annotated[
    list[str] | None, typer.Option("--workload", metavar="NAME", help="The nodes a workload runs on. Repeatable.")
]
Clusters = Annotated[
    list[str] | None, typer.Option("--cluster", metavar="ID", help="All nodes of this cluster, by the cluster's id.")
]
ExcludedNodes = Annotated[
    list[str] | None,
    typer.Option(
        "--exclude-node", metavar="NAME", help="Never this one. Repeatable.", autocompletion=suggestions.nodes
    ),
]
TolerateAll = Annotated[bool, typer.Option("--tolerate-all", help="Also nodes that are tainted or cordoned.")]
Workload = Annotated[list[str], typer.Option("--workload", metavar="NAME", help="The workload. Repeatable.")]

Name = Annotated[str | None, typer.Option("--name", help="What people call the job; its id begins with it.")]
TimeoutSeconds = Annotated[
    int | None, typer.Option("--timeout-seconds", help="The job's: it is stopped then. 0: none.", metavar="N")
]
TtlSeconds = Annotated[
    int | None,
    typer.Option("--ttl-seconds", help="Keep the job's Workflow this long after its end.", metavar="N"),
]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan; create nothing.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a job of more than ten nodes.")]
ExpectedPlan = Annotated[
    str | None,
    typer.Option("--expected-plan", metavar="DIGEST", help="Run only the plan that a dry run showed (its planDigest)."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for the job's end, and end as the job.")]
Follow = Annotated[
    bool, typer.Option("--follow", help="Show the output of its steps until the job's end, and end as the job.")
]
WaitTimeout = Annotated[
    float | None,
    typer.Option(
        "--wait-timeout", metavar="SECONDS", min=0, help="Stop waiting then; the job goes on. Implies --wait."
    ),
]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="A job's id.", autocompletion=suggestions.jobs)]
JobIds = Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids of jobs.", autocompletion=suggestions.jobs)]
