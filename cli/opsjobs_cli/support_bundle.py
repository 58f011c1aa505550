"""opsjobs support-bundle: what another person needs to see of a problem, in one file, and no secret."""

import io
import json
import platform
import tarfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from opsjobs_cli import versions
from opsjobs_cli.complaints import Complaint, RefusedError
from opsjobs_cli.context_file import ContextFile
from opsjobs_cli.neutral_text import neutral
from opsjobs_cli.printing import note, say
from opsjobs_cli.service_client import JOBS
from opsjobs_cli.session import Session

#: Of a context; anything else may be a secret, or lead to one.
_OF_A_CONTEXT = ("url", "kubeconfig", "kubeContext", "namespace", "serviceAccount")
_LATEST_JOBS = "50"


def support_bundle(
    session: Session,
    job: Annotated[list[str] | None, typer.Argument(metavar="[JOB]...", help="Jobs that it is about.")] = None,
    *,
    file: Annotated[str, typer.Option("--file", "-f", metavar="FILE")] = "opsjobs-support.tar.gz",
) -> None:
    """Write what helps to understand a problem into a file: versions, rights, the latest jobs. No token is in it."""
    target = Path(file)
    if target.exists():
        raise RefusedError(f"{target} exists already: give another --file, or remove it")
    with tarfile.open(target, "x:gz") as archive:
        for name, ask in _parts(session, job or []):
            content = json.dumps(_answer(ask), indent=2).encode()
            member = tarfile.TarInfo(f"opsjobs-support/{name}.json")
            member.size, member.mtime = len(content), int(time.time())
            archive.addfile(member, io.BytesIO(content))
    say(neutral(target))
    note("Names of nodes, jobs and people are in it; look before you send it on.")


def _parts(session: Session, jobs: list[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    def get(path: str, **params: str) -> Callable[[], Any]:
        return lambda: session.service.get(path, params, tries=1).json()

    yield "client", _client
    yield "service", lambda: session.service.get("/openapi.json", tries=1).json()["info"]
    yield "ready", lambda: session.service.get("/readyz", {"verbose": ""}, tries=1).text
    yield "whoami", get("/api/v1/whoami")
    yield "addontemplates", lambda: _without_text(get("/api/v1/addontemplates")())
    yield "latest-jobs", get(JOBS, limit=_LATEST_JOBS)
    for number, job_id in enumerate(jobs):
        yield f"job-{number}", partial(session.service.job, job_id)


def _answer(ask: Callable[[], Any]) -> Any:
    """What cannot be had is part of the picture."""
    try:
        return ask()
    except (Complaint, ValueError, LookupError) as error:
        return {"error": str(error)}


def _client() -> dict[str, Any]:
    contexts = ContextFile().contexts
    return {
        "version": versions.own(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "contexts": {
            name: {field: context[field] for field in _OF_A_CONTEXT if field in context}
            for name, context in contexts.items()
        },
    }


def _without_text(templates: dict[str, Any]) -> list[dict[str, Any]]:
    return [{field: one[field] for field in ("name", "description", "required")} for one in templates["items"]]
