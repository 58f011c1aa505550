"""opsjobs nodes, freeze, unfreeze: the machines, and whether anything begins on them."""

from typing import Annotated, Any

import typer

from opsjobs_cli import suggestions
from opsjobs_cli.complaints import RefusedError, UsageError
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.paging import PAGE, note_what_is_left, read_pages
from opsjobs_cli.printing import rows, say
from opsjobs_cli.session import Session

NODES = "/api/v1/nodes"
FREEZE = "/api/v1/freeze"
_COLUMNS = ("NODE", "READY", "CORDONED", "LOCKED BY", "LAST PREFLIGHT", "LAST JOB")


def nodes(  # noqa: PLR0913  # a command line has as many options as the API has filters
    session: Session,
    name: Annotated[
        list[str] | None, typer.Argument(metavar="[NODE]...", help="Only these.", autocompletion=suggestions.nodes)
    ] = None,
    *,
    selector: Annotated[
        str | None, typer.Option("--selector", "-l", metavar="LABELS", help="By labels: gpu=h100,rack in (r1,r2).")
    ] = None,
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", metavar="ID")] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")] = 1000,
    offset: Annotated[int, typer.Option(min=0, metavar="N", help="Leave out so many first.")] = 0,
) -> None:
    """List nodes: which job locks them, who cordoned them, and what ran there last."""
    asked = {"selector": selector, "workspace": workspace}
    params = {field: value for field, value in asked.items() if value is not None}
    found = _named(session, name, params) if name else read_pages(session, NODES, params, offset, limit)
    items = found["items"]

    def table() -> None:
        columns = (*_COLUMNS, "LABELS") if session.output.is_wide else _COLUMNS
        rows(columns, (_row(session, node) for node in items), styled="READY")

    session.output.show(found, name=lambda: (node["name"] for node in items), table=table)
    if not name:
        note_what_is_left(session, found, offset, "selector")


def freeze(
    session: Session,
    *,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Shown with every job that waits.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only show whether it is frozen, by whom and why.")] = False,
) -> None:
    """Let nothing new begin on any node; what runs finishes, and jobs that are accepted wait."""
    if show:
        found = session.service.get(FREEZE).json()
        session.output.show(
            found, name=lambda: [str(found["frozen"]).lower()], table=lambda: say(_said(session, found))
        )
        return
    if not reason:
        raise UsageError("why? Give --reason: everybody whose job waits reads it (--show shows what there is)")
    session.service.put(FREEZE, {"reason": reason})
    say("frozen: nothing new begins on any node; opsjobs unfreeze ends it")


def unfreeze(session: Session) -> None:
    """Let jobs begin again."""
    session.service.delete(FREEZE)
    say("not frozen any more")


def _named(session: Session, names: list[str], params: dict[str, str]) -> dict[str, Any]:
    """These nodes alone, each asked for by its name.

    Raises:
        RefusedError: one of them is not there, or the person may not see it.
    """
    items: list[Any] = []
    for name in dict.fromkeys(names):
        answer = session.service.get(NODES, {**params, "name": name, "limit": str(PAGE)}).json()
        mine = [node for node in answer["items"] if node["name"] == name]
        if not mine:
            raise RefusedError(f"there is no node {neutral(name)!r} that you may see (opsjobs nodes lists them)")
        items += mine
    return {"totalCount": len(items), "items": items}


def _row(session: Session, node: dict[str, Any]) -> list[object]:
    row: list[object] = [
        node["name"],
        "Ready" if node["ready"] else "NotReady",
        f"by {node['cordonedBy'] or 'a person'}" if node["cordoned"] else "",
        node["lockedBy"],
        _last(session, node.get("lastPreflight")),
        _last(session, node.get("lastJob")),
    ]
    if session.output.is_wide:
        row.append(", ".join(f"{name}={value}" for name, value in node["labels"].items()))
    return row


def _last(session: Session, job: dict[str, str] | None) -> str:
    """How a job went on this node; of one that the person may not see the service says only that there was one."""
    if job is None:
        return ""
    time = session.output.time(job["time"]) if session.output.is_wide else ""
    return " ".join(word for word in (job["jobId"], job["phase"], time) if word)


def _said(session: Session, found: dict[str, Any]) -> str:
    if not found["frozen"]:
        return "not frozen"
    return f"frozen by {neutral(found['by'])} since {session.output.time(found['since'])}: {neutral(found['reason'])}"
