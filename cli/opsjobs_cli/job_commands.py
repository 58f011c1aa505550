"""opsjobs list, get, watch, stop, delete: jobs that there are."""

from typing import Annotated, Any

import typer

from opsjobs_cli import flags, job_views, moments, suggestions
from opsjobs_cli.complaints import RefusedError
from opsjobs_cli.exit_status import ExitCode
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.paging import note_what_is_left, read_pages
from opsjobs_cli.printing import note, say
from opsjobs_cli.service_client import JOBS, job_path
from opsjobs_cli.session import Session
from opsjobs_cli.submission import wait as wait_for_end

#: Before there was any.
_EVER = "1970-01-01T00:00:00Z"


def list_jobs(  # noqa: PLR0913  # a command line has as many options as the API has filters
    session: Session,
    *,
    type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only jobs of this type.")] = None,  # noqa: A002
    phase: Annotated[
        str | None, typer.Option("--phase", metavar="PHASE", help="Pending, Running, Succeeded, Failed.")
    ] = None,
    user: Annotated[str | None, typer.Option(metavar="TEXT", help="Only of users whose name has this in it.")] = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="Only jobs whose name has this in it.")] = None,
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", metavar="ID")] = None,
    cluster: Annotated[str | None, typer.Option(metavar="ID")] = None,
    node: Annotated[
        str | None,
        typer.Option(
            "--node", metavar="NAME", help="Only jobs whose plan has this node.", autocompletion=suggestions.nodes
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Made since: 90m, 12h, 7d, or a time (default: 30 days).")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Made until then (default: now).")] = None,
    sort_by: Annotated[str | None, typer.Option(metavar="FIELD", help="A field of -o json (creationTime).")] = None,
    order: Annotated[
        str | None, typer.Option(metavar="asc|desc", help="desc, the newest first, is the default.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 100,
    offset: Annotated[int, typer.Option(min=0, metavar="N", help="Leave out so many first.")] = 0,
    include_deleted: Annotated[bool, typer.Option("--include-deleted", help="Also jobs that were deleted.")] = False,
) -> None:
    """List jobs, the newest first."""
    asked = {
        "type": type,
        "phase": phase,
        "userName": user,
        "jobName": name,
        "workspaceId": workspace,
        "clusterId": cluster,
        "node": node,
        "since": moments.asked(since) if since else None,
        "until": moments.asked(until) if until else None,
        "sortBy": sort_by,
        "order": order,
        "includeDeleted": "true" if include_deleted else None,
    }
    show_list(session, {name: value for name, value in asked.items() if value is not None}, offset, limit)


def show_list(session: Session, asked: dict[str, Any], offset: int, limit: int) -> None:
    """Print a list, of as many pages as it takes."""
    found = read_pages(session, JOBS, asked, offset, limit)
    items = found["items"]
    session.output.show(
        {"totalCount": found["totalCount"], "items": items},
        name=lambda: (item["jobId"] for item in items),
        table=lambda: job_views.listed(items, session.output),
    )
    note_what_is_left(session, found, offset, "filter")
    if session.output.is_for_people and not items:
        note("no jobs: none that you may see fits (a list goes back 30 days; --since 90d asks for more)")


def history(
    session: Session,
    node: Annotated[str, typer.Argument(metavar="NODE", autocompletion=suggestions.nodes)],
    *,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Since then (default: all there is).")] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 20,
) -> None:
    """Show what happened to a node: the jobs that had it in their plan, the newest first."""
    show_list(session, {"node": node, "since": moments.asked(since) if since else _EVER}, 0, limit)


def get(session: Session, job: flags.JobIds) -> None:
    """Show jobs: plan, history, outputs."""
    found = [session.service.job(job_id) for job_id in job]

    def table() -> None:
        for number, one in enumerate(found):
            if number:
                say("")
            job_views.described(one, session.output)

    content = found[0] if len(found) == 1 else found
    session.output.show(content, name=lambda: (one["jobId"] for one in found), table=table)


def watch(session: Session, job: flags.JobId, *, wait_timeout: flags.WaitTimeout = None) -> None:
    """Follow a job to its end, and end as the job."""
    wait_for_end(session, job, wait_timeout)


def stop(
    session: Session,
    job: flags.JobIds,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Until clean-up is done.")] = False,
) -> None:
    """End what a job runs, and let its clean-up run."""
    _each(session, job, "stop")
    if wait:
        from opsjobs_cli.following import Following
        from opsjobs_cli.live_view import quietly

        for job_id in job:
            ended = quietly(Following(session.service, job_id))
            say(f"{neutral(job_id)} {neutral(ended['phase'])}")


def delete(session: Session, job: flags.JobIds) -> None:
    """Stop jobs where needed and take them out of the list; their records stay."""
    _each(session, job, "delete")


def _each(session: Session, job_ids: list[str], verb: str) -> None:
    """Do it with each job, also where another of them is refused; say what was not done."""
    refused = False
    for job_id in job_ids:
        try:
            if verb == "delete":
                session.service.delete(job_path(job_id))
            else:
                session.service.post(job_path(job_id, verb))
        except RefusedError as error:
            if len(job_ids) == 1:
                raise
            note(f"{neutral(job_id)}: {error}")
            refused = True
        else:
            say(f"{neutral(job_id)} {_DONE[verb]}")
    if refused:
        raise typer.Exit(ExitCode.REFUSED)


_DONE = {"stop": "is being stopped", "delete": "is being deleted"}
