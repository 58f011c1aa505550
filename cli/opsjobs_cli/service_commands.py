"""opsjobs version, whoami, templates: the service itself, and what it lets a person do."""

from typing import Annotated, Any

import typer

from opsjobs_cli import suggestions, versions
from opsjobs_cli.complaints import Complaint, RefusedError
from opsjobs_cli.neutral_text import neutral, neutral_lines
from opsjobs_cli.printing import rows, say
from opsjobs_cli.session import Session


def version(
    session: Session, *, client: Annotated[bool, typer.Option("--client", help="Only this command's.")] = False
) -> None:
    """Show the versions of this command and of the service."""
    found = {"client": versions.own()}
    if not client:
        try:
            found["service"] = str(session.service.get("/openapi.json", tries=1).json()["info"]["version"])
        except Complaint as error:
            found["service"] = f"not known: {error}"
    session.output.show(found, name=found.values, table=lambda: rows(("WHICH", "VERSION"), found.items()))


def whoami(session: Session) -> None:
    """Show who you are to the service, and what you may do."""
    found = session.service.get("/api/v1/whoami").json()

    def table() -> None:
        say(f"{neutral(found['userName'])} ({neutral(found['userId'])})")
        say(f"Groups: {neutral(', '.join(found['groups']))}\n")
        lines = ((kind, place, ", ".join(verbs)) for (kind, place), verbs in _by_place(found["rights"]).items())
        rows(("TYPE", "WHERE", "WHAT"), lines)

    session.output.show(found, name=lambda: [found["userName"]], table=table)


def _by_place(rights: list[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """(type, where) → verbs."""
    found: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        for place in ["the cluster"] if right["cluster"] else right["workspaces"]:
            found.setdefault((right["type"], place), []).append(right["verb"])
    return dict(sorted(found.items()))


def templates(
    session: Session,
    name: Annotated[
        str | None, typer.Argument(help="Only this one, with its text.", autocompletion=suggestions.addon_templates)
    ] = None,
) -> None:
    """List the addon and node templates that jobs can run."""
    addon = session.service.get("/api/v1/addontemplates").json()["items"]
    node = session.service.get("/api/v1/nodetemplates").json()["items"]
    found = {"addonTemplates": addon, "nodeTemplates": node}
    if name is not None:
        found = {kind: [one for one in items if one["name"] == name] for kind, items in found.items()}
        if not any(found.values()):
            raise RefusedError(f"there is no template {neutral(name)!r} (opsjobs templates lists them)")
    lines = [(one["name"], "addon", one["description"]) for one in found["addonTemplates"]]
    lines += [(one["name"], "node", one["description"]) for one in found["nodeTemplates"]]

    def table() -> None:
        rows(("NAME", "KIND", "DESCRIPTION"), lines)
        if name is not None:
            for one in found["addonTemplates"]:
                for part in ("check", "script"):
                    if one.get(part):
                        say(f"\n{part}:\n{neutral_lines(one[part])}")
            for one in found["nodeTemplates"]:
                say(f"\nruns: {neutral(', '.join(one['addonTemplates']))}")

    session.output.show(found, name=lambda: (line[0] for line in lines), table=table)
