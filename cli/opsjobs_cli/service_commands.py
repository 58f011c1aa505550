"""opsjobs version: the service itself."""

from typing import Annotated

import typer

from opsjobs_cli import versions
from opsjobs_cli.complaints import Complaint
from opsjobs_cli.printing import rows
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
