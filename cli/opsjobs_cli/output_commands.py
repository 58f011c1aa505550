"""opsjobs report, download: what a job left behind."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from opsjobs_cli import flags, report_views
from opsjobs_cli.complaints import RefusedError
from opsjobs_cli.downloading import Download, Opener, either, link, read, through
from opsjobs_cli.following import FINAL
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import note, say
from opsjobs_cli.session import Session

Job = dict[str, Any]

_REPORT, _ARCHIVE = "report", "archive"
#: Where the service has no file of a name, the output of a job that is a link to it.
_LINKS = {_REPORT: "report", _ARCHIVE: "endpoint"}
_ENDINGS = {_ARCHIVE: ".tar.gz", _REPORT: "-report.json", "junit": "-junit.xml", "picture": "-picture.svg"}


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
    content = json.loads(read(_source(session, found, _REPORT)) if _is_link(text) else text)
    session.output.show(
        content,
        name=lambda: report_views.names(content),
        table=lambda: report_views.show(found["type"], content, only_failed=failed),
    )


def download(
    session: Session,
    job: flags.JobId,
    name: Annotated[
        str, typer.Argument(metavar="[WHAT]", help="archive (of dumplog), report, junit, picture (of preflight).")
    ] = _ARCHIVE,
    *,
    file: Annotated[
        str | None, typer.Option("--file", "-f", metavar="FILE", help="Where to (default: JOB.tar.gz, here).")
    ] = None,
) -> None:
    """Get the archive of a dumplog job, or another file that a job left; it goes on where it was broken off."""
    found = session.service.job(job)
    target = Path(file) if file else Path(f"{Path(found['jobId']).name}{_ENDINGS.get(name, f'-{Path(name).name}')}")
    Download(_source(session, found, name), target).run(showing=session.output.is_for_people)
    if session.output.is_for_people:
        note(f"{neutral(target)}: {target.stat().st_size:,} bytes")
    else:
        say(neutral(target))


def _source(session: Session, job: Job, name: str) -> Opener:
    """A file that a job left.

    Raises:
        RefusedError: it has none (yet); the message says why.
    """
    through_service = through(session.service, job["jobId"], name)
    if name not in _LINKS:
        return through_service
    url = _output(job, _LINKS[name])
    return either(through_service, link(url)) if _is_link(url) else through_service


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
    archive = name == _LINKS[_ARCHIVE]
    if archive and job["type"] != "dumplog":
        raise RefusedError(f"{job_id} is a job of type {neutral(job['type'])}: only dumplog jobs have an archive")
    why = neutral(job["conditions"][-1]["message"]) if job["conditions"] else ""
    raise RefusedError(f"{job_id} has no {'archive that you may read' if archive else name}: {why}")


def _is_link(text: str) -> bool:
    return text.startswith(("https://", "http://"))
