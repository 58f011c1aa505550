"""opsjobs pause, resume, advance, retry: jobs that go over their nodes."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from opsjobs_cli import flags
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import say
from opsjobs_cli.service_client import job_path
from opsjobs_cli.session import Session
from opsjobs_cli.submission import accepted, confirm, follow, made, wait

#: States of a phase that is over.
_DONE = "Done"


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
    follow_: flags.Follow = False,
    wait_timeout: flags.WaitTimeout = None,
) -> None:
    """Make a new job on the nodes of an addon or reboot that failed or were not begun, with what it ran."""
    if not yes:
        nodes = _left(session.service.job(job), which)
        confirm({"nodes": nodes, "excluded": []}, f"Retry {neutral(job)}")
    job_id = made(session, job_path(job, "retry"), {"which": which.value})
    if follow_:
        follow(session, job_id, wait_timeout)
    if wait_ or wait_timeout is not None:
        wait(session, job_id, wait_timeout)
    session.output.show({"jobId": job_id}, name=lambda: [job_id], table=lambda: accepted(job_id))


def pause(
    session: Session,
    job: flags.JobId,
    *,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Shown to whoever wonders.")] = None,
) -> None:
    """Begin no further node of a job; what is at work finishes."""
    session.service.post(job_path(job, "pause"), {"reason": reason} if reason else {})
    say(f"{neutral(job)} is paused; opsjobs resume {neutral(job)} lets it go on")


def resume(session: Session, job: flags.JobId) -> None:
    """Let a paused job go on; failures so far are tolerated."""
    session.service.post(job_path(job, "resume"))
    say(f"{neutral(job)} goes on")


def advance(
    session: Session,
    job: flags.JobId,
    *,
    expected_phase: Annotated[
        int | None,
        typer.Option("--expected-phase", min=1, metavar="N", help="The phase that ends (default: as it is now)."),
    ] = None,
) -> None:
    """End the soak, or the manual gate, of the phase that a job is in."""
    phase = expected_phase or _current(session.service.job(job))
    # What was looked at is what ends: a second advance in the same moment would end the next phase, too.
    session.service.post(job_path(job, "advance"), {"expectedPhase": phase} if phase else {})
    say(f"{neutral(job)}: phase {phase} has ended" if phase else f"{neutral(job)} goes on")


def _current(job: dict[str, Any]) -> int | None:
    """The phase that is not over; None: the job has none, and the service says so."""
    phases = (job.get("rollout") or {}).get("phases", ())
    return next((phase["phase"] for phase in phases if phase["state"] != _DONE), None)


def _left(job: dict[str, Any], which: Which) -> list[dict[str, Any]]:
    chosen = frozenset().union(*_LEFT.values()) if which is Which.BOTH else _LEFT[which]
    return [node for node in job["plan"]["nodes"] if node["phase"] in chosen]
