"""opsjobs report, download: what a job left behind."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from opsjobs_cli import flags, report_views
from opsjobs_cli.complaints import RefusedError
from opsjobs_cli.downloading import Download, link, read
from opsjobs_cli.following import FINAL
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import note, say
from opsjobs_cli.session import Session

Job = dict[str, Any]

#: The output that is a link to the archive of a dumplog job.
_ARCHIVE = "endpoint"
_REPORT = "report"


def report(
    session: Session,
    job: flags.JobId,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only nodes that did not succeed.")] = False,
) -> None:
    """Show what a job found or did on each node: checks, scripts, reboots."""
    found = session.service.job(job)
    text = _output(found, _REPORT)
    # A preflight job's report lies in the object store; the others' are in the record.
    content = json.loads(read(link(text)) if _is_link(text) else text)
    session.output.show(
        content,
        name=lambda: report_views.names(content),
        table=lambda: report_views.show(found["type"], content, only_failed=failed),
    )


def download(
    session: Session,
    job: flags.JobId,
    *,
    file: Annotated[
        str | None, typer.Option("--file", "-f", metavar="FILE", help="Where to (default: JOB.tar.gz, here).")
    ] = None,
) -> None:
    """Get the archive of a dumplog job; what was broken off goes on where it stopped."""
    found = session.service.job(job)
    target = Path(file) if file else Path(f"{Path(found['jobId']).name}.tar.gz")
    Download(link(_output(found, _ARCHIVE)), target).run(showing=session.output.is_for_people)
    if session.output.is_for_people:
        note(f"{neutral(target)}: {target.stat().st_size:,} bytes")
    else:
        say(neutral(target))


def _output(job: Job, name: str) -> str:
    """One output of a job.

    Raises:
        RefusedError: it has none (yet); the message says why.
    """
    for output in job["outputs"]:
        if output["name"] == name:
            return str(output["value"])
    job_id = neutral(job["jobId"])
    if job["phase"] not in FINAL:
        raise RefusedError(f"{job_id} is {job['phase']}: its outputs come when it ends (opsjobs watch {job_id})")
    if name == _ARCHIVE and job["type"] != "dumplog":
        raise RefusedError(f"{job_id} is a job of type {neutral(job['type'])}: only dumplog jobs have an archive")
    why = neutral(job["conditions"][-1]["message"]) if job["conditions"] else ""
    raise RefusedError(f"{job_id} has no {'archive that you may read' if name == _ARCHIVE else name}: {why}")


def _is_link(text: str) -> bool:
    return text.startswith(("https://", "http://"))
