"""A job on its way to the service: shown first where it touches many nodes, sent once, waited for where asked."""

import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import typer

from opsjobs_cli import job_views, live_view
from opsjobs_cli.complaints import Complaint, InterruptedByPersonError, RefusedError, UsageError
from opsjobs_cli.following import Following, exit_code
from opsjobs_cli.job_body import Body
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import note, say
from opsjobs_cli.service_client import JOBS
from opsjobs_cli.session import Session, is_interactive

#: A job of more nodes is confirmed by a person, or by --yes.
CONFIRMED_ABOVE = 10
_PLAN_CHANGED = "PLAN_CHANGED"


@dataclass(frozen=True)
class How:
    """How a job is to be submitted."""

    dry_run: bool = False
    yes: bool = False
    expected_plan: str | None = None
    wait: bool = False
    follow: bool = False
    wait_timeout: float | None = None


def submit(session: Session, body: Body, how: How) -> None:
    """Submit one job as it was asked for; ends the command as the job, where it waits."""
    if how.dry_run:
        answer = session.service.post(JOBS, body, {"dryRun": "true"}).json()
        session.output.show(
            answer,
            name=lambda: (node["name"] for node in answer["plan"]["nodes"]),
            table=lambda: job_views.dry_run(answer, session.output),
        )
        return
    expected = how.expected_plan or ("" if how.yes else _confirmed(session, body))
    job_id = _sent(session, body, expected)
    if how.follow:
        follow(session, job_id, how.wait_timeout)
    if how.wait:
        wait(session, job_id, how.wait_timeout)
        return
    session.output.show({"jobId": job_id}, name=lambda: [job_id], table=lambda: accepted(job_id))


def wait(session: Session, job_id: str, within: float | None) -> None:
    """Wait for the end of a job, show it meanwhile, and end the command as the job.

    Raises:
        typer.Exit: always, with the exit status of the job.
    """
    following = Following(session.service, job_id, within)
    if session.output.is_for_people:
        job = live_view.watch(following, session.output)
    else:
        job = live_view.quietly(following)
        session.output.show(job, name=lambda: [job_id], table=lambda: None)
    raise typer.Exit(exit_code(job))


def follow(session: Session, job_id: str, within: float | None) -> None:
    """Show what the steps of a job write until it has ended, and end the command as the job.

    Raises:
        typer.Exit: always, with the exit status of the job.
    """
    from opsjobs_cli.log_commands import follow_output
    from opsjobs_cli.log_printing import LogPrinter

    # Before anything else: whatever becomes of this command, the job can be asked for.
    note(neutral(job_id))
    try:
        follow_output(Following(session.service, job_id, within), LogPrinter(session.output, raw=False, with_node=True))
    except RefusedError as error:
        note(f"its output is not shown: {error}")
    wait(session, job_id, within)


def _confirmed(session: Session, body: Body) -> str:
    """The digest of the plan that may run: small, or confirmed by the person who saw it.

    Raises:
        UsageError: it is large, and there is no person to ask.
        Complaint: the person does not want it.
    """
    shown = session.service.post(JOBS, body, {"dryRun": "true"}).json()
    otherwise = ", or look at --dry-run first and give its --expected-plan"
    confirm(shown["plan"], f"Run {neutral(body.get('type', 'this'))}", otherwise=otherwise)
    return str(shown["planDigest"])


def confirm(plan: dict[str, Any], what: str, *, otherwise: str = "") -> None:
    """Let a person say yes to a plan of many nodes; `otherwise` is what can be done where there is none, beside --yes.

    Raises:
        UsageError: there is no person to ask.
        Complaint: the person does not want it.
    """
    count = len(plan["nodes"])
    if count <= CONFIRMED_ABOVE:
        return
    if not is_interactive():
        raise UsageError(
            f"this works on {count} nodes, and there is no terminal to ask at: give --yes{otherwise}. "
            "Nothing was submitted"
        )
    job_views.to_be_confirmed(plan)
    if not _says_yes(f"{what} on these {count} nodes?"):
        raise Complaint("nothing was submitted")


def _says_yes(question: str) -> bool:
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _sent(session: Session, body: Body, expected: str) -> str:
    """Send it; returns the job's id."""
    try:
        return made(session, JOBS, body, {"expectedPlan": expected} if expected else {})
    except RefusedError as error:
        if error.code == _PLAN_CHANGED:
            raise RefusedError(f"{error}\nNothing was submitted: look at the plan again.", code=error.code) from error
        raise


def made(session: Session, path: str, body: Body, params: Mapping[str, str] | None = None) -> str:
    """The id of the job that a call makes. A try that is repeated has the same key, so it makes one job."""
    try:
        answer = session.service.post(path, body, params, {"Idempotency-Key": uuid.uuid4().hex})
    except KeyboardInterrupt:
        raise InterruptedByPersonError(
            "interrupted while the job was sent: it may have been accepted (opsjobs list --since 5m shows it)"
        ) from None
    return str(answer.json()["jobId"])


def accepted(job_id: str) -> None:
    say(neutral(job_id))
    if sys.stdout.isatty():
        note(f"Follow it: opsjobs watch {neutral(job_id)}")
