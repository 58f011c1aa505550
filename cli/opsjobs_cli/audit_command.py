"""opsjobs audit: who did what, when and from where."""

from typing import Annotated, Any

import typer

from opsjobs_cli import moments, suggestions
from opsjobs_cli.paging import note_what_is_left, read_pages
from opsjobs_cli.printing import rows
from opsjobs_cli.session import Session

AUDIT = "/api/v1/audit"
_COLUMNS = ("TIME", "USER", "ACTION", "JOB", "OUTCOME", "FROM")
_WIDE = ("STATUS", "TYPE", "NODES", "WORKSPACE", "JOB NAME", "REQUEST")


def audit(  # noqa: PLR0913  # a command line has as many options as the API has filters
    session: Session,
    *,
    user: Annotated[str | None, typer.Option(metavar="TEXT", help="Only of users whose name has this in it.")] = None,
    job: Annotated[str | None, typer.Option("--job", metavar="JOB", help="Only about this job.")] = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="Only jobs whose name has this in it.")] = None,
    node: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only jobs whose plan has this node.", autocompletion=suggestions.nodes),
    ] = None,
    action: Annotated[
        str | None,
        typer.Option(metavar="WORD", help="create, stop, delete, retry, pause, resume, advance, freeze, unfreeze."),
    ] = None,
    outcome: Annotated[str | None, typer.Option(metavar="WORD", help="done, refused, failed.")] = None,
    type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only jobs of this type.")] = None,  # noqa: A002
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", metavar="ID")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Since: 90m, 12h, 7d, or a time (default: 30 days).")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Until then (default: now).")] = None,
    order: Annotated[
        str | None, typer.Option(metavar="asc|desc", help="desc, the newest first, is the default.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 100,
    offset: Annotated[int, typer.Option(min=0, metavar="N", help="Leave out so many first.")] = 0,
) -> None:
    """Show who did what, when, from where, and what came of it."""
    asked = {
        "userName": user,
        "jobId": job,
        "jobName": name,
        "node": node,
        "action": action,
        "outcome": outcome,
        "type": type,
        "workspaceId": workspace,
        "since": moments.asked(since) if since else None,
        "until": moments.asked(until) if until else None,
        "order": order,
    }
    given = {field: value for field, value in asked.items() if value is not None}
    found = read_pages(session, AUDIT, given, offset, limit)
    items = found["items"]
    columns = (*_COLUMNS, *_WIDE) if session.output.is_wide else _COLUMNS
    session.output.show(
        {"totalCount": found["totalCount"], "items": items},
        name=lambda: dict.fromkeys(item["jobId"] for item in items if item["jobId"]),
        table=lambda: rows(columns, (_row(session, item) for item in items), styled="OUTCOME"),
    )
    note_what_is_left(session, found, offset, "filter")


def _row(session: Session, item: dict[str, Any]) -> list[object]:
    times = f" ({item['count']} times)" if item["count"] > 1 else ""
    row: list[object] = [
        session.output.time(item["time"]),
        item["userName"] or "(not known)",
        item["action"],
        item["jobId"],
        item["outcome"] + times,
        item["source"],
    ]
    if session.output.is_wide:
        row += [item["status"], item["type"], item["nodes"], item["workspaceId"], item["jobName"], item["requestId"]]
    return row
