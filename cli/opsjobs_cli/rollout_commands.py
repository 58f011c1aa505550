"""opsjobs retry: what a job left to do."""

import uuid
from enum import StrEnum
from typing import Annotated, Any

import typer

from opsjobs_cli import flags
from opsjobs_cli.complaints import InterruptedByPersonError
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.service_client import job_path
from opsjobs_cli.session import Session
from opsjobs_cli.submission import accepted, confirm, wait


class Which(StrEnum):
    FAILED = "failed"
    NOT_BEGUN = "notBegun"
    BOTH = "both"


#: Phases of nodes of a job that has ended, as the service counts them.
_LEFT = {
    Which.FAILED: frozenset({"Failed", "Running"}),
    Which.NOT_BEGUN: frozenset({"Skipped", "Pending", "Waiting"}),
}


def retry(  # noqa: PLR0913  # a command line has as many options as the call has choices
    session: Session,
    job: flags.JobId,
    *,
    which: Annotated[Which, typer.Option("--which", help="Nodes that failed, were not begun, or both.")] = Which.BOTH,
    yes: flags.Yes = False,
    wait_: flags.Wait = False,
    wait_timeout: flags.WaitTimeout = None,
) -> None:
    """Make a new job on the nodes of an addon or reboot that failed or were not begun, with what it ran."""
    if not yes:
        nodes = _left(session.service.job(job), which)
        confirm({"nodes": nodes, "excluded": []}, f"Retry {neutral(job)}")
    try:
        answer = session.service.post(
            job_path(job, "retry"), {"which": which.value}, headers={"Idempotency-Key": uuid.uuid4().hex}
        )
    except KeyboardInterrupt:
        raise InterruptedByPersonError(
            "interrupted while it was sent: there may be a new job (opsjobs list --since 5m shows it)"
        ) from None
    job_id = str(answer.json()["jobId"])
    if wait_ or wait_timeout is not None:
        wait(session, job_id, wait_timeout)
    session.output.show({"jobId": job_id}, name=lambda: [job_id], table=lambda: accepted(job_id))


def _left(job: dict[str, Any], which: Which) -> list[dict[str, Any]]:
    chosen = frozenset().union(*_LEFT.values()) if which is Which.BOTH else _LEFT[which]
    return [node for node in job["plan"]["nodes"] if node["phase"] in chosen]
