"""opsjobs logs: what the steps of a job write."""

from typing import Annotated, NoReturn

import typer

from opsjobs_cli import flags, moments, suggestions
from opsjobs_cli.following import FINAL, Following, exit_code
from opsjobs_cli.log_printing import LogPrinter
from opsjobs_cli.outage import Outage
from opsjobs_cli.printing import note
from opsjobs_cli.service_client import job_path
from opsjobs_cli.session import Session
from opsjobs_cli.unbroken_stream import UnbrokenStream

#: Seconds for which a command that does not follow waits for a service that is away.
_PATIENCE = 10.0


def logs(  # noqa: PLR0913  # what can be said about output
    session: Session,
    job: flags.JobId,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it is written, and end as the job.")] = False,
    node: Annotated[
        str | None,
        typer.Option("--node", metavar="NAME", help="Only of this node.", autocompletion=suggestions.nodes),
    ] = None,
    step: Annotated[str | None, typer.Option("--step", metavar="NAME", help="Only of this step (-o wide).")] = None,
    tail: Annotated[int | None, typer.Option("--tail", min=0, metavar="N", help="Only the last lines of each.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only since: 90m, 12h, or a time.")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="As it was written, with what can drive your terminal. Only of who you trust.")
    ] = False,
) -> None:
    """Show what the steps of a job write, on each node."""
    asked = {
        "node": node,
        "step": step,
        "tailLines": None if tail is None else str(tail),
        "sinceTime": moments.asked(since) if since else None,
    }
    params = {name: value for name, value in asked.items() if value is not None}
    printer = LogPrinter(session.output, raw, with_node=node is None)
    if follow:
        follow_output(Following(session.service, job), printer, params)
    stream = UnbrokenStream(session.service, job_path(job, "log"), params, Outage(_PATIENCE))
    for batch in stream.batches():
        printer.show(batch)


def follow_output(following: Following, printer: LogPrinter, params: dict[str, str] | None = None) -> NoReturn:
    """Show output as it is written, until the job has ended.

    Raises:
        typer.Exit: always, with the exit status of the job.
    """
    path = job_path(following.job_id, "log")
    asked = {**(params or {}), "follow": "true"}
    stream = UnbrokenStream(following.service, path, asked, following.outage, silence=following.silence)
    with following.leaving():
        for batch in stream.batches():
            printer.show(batch)
            following.in_time()
        last = {}
        for last in following.states():
            if last["phase"] not in FINAL:
                note("there is no more output to follow; waiting for the end of the job")
    raise typer.Exit(exit_code(last))
