"""Who asks, and what they may do (contract: Who may do what)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import Depends, Request

from service.api import audit
from service.api.dependencies import Services
from service.api.problems import RETRY_AFTER, Problem, unknown_job
from service.domain.cluster_objects import Caller
from service.domain.job import Job, JobType
from service.domain.job_ids import is_job_id
from service.domain.job_types.registry import traits_of
from service.domain.list_query import Visible
from service.jobs import prepare_dumplog
from service.jobs.ports import UnavailableError

log = structlog.get_logger()


async def caller(request: Request, services: Services) -> Caller:
    """The caller behind the bearer token, as TokenReview knows them.

    Raises:
        Problem: 401 without a token that Kubernetes accepts for our audience.
    """
    request.state.caller = found = await _reviewed(request, services)
    return found


async def still(request: Request, services: Services, who: Caller) -> None:
    """Have the token reviewed again, after something that took the client's own time: it may have ended meanwhile.

    Raises:
        Problem: 401 where Kubernetes does not accept it any more, or not for the same caller.
    """
    if (await _reviewed(request, services)).user_id != who.user_id:
        raise _unauthenticated("this token is another caller's now")


async def still_shown(request: Request, services: Services, who: Caller, job: Job) -> None:
    """Have the token and the right to see the job asked again, while it is followed.

    Raises:
        Problem: 401 or 404: the caller may see it no more.
    """
    await still(request, services, who)
    if not (services.is_own(who, job) or await services.may(who, "get", job)):
        raise unknown_job(job.job_id)


async def _reviewed(request: Request, services: Services) -> Caller:
    token = _token(request)
    if not token:
        raise _unauthenticated("a bearer token is needed: Authorization: Bearer …")
    found = await _asked(services.reviews.caller(token))
    if found is None:
        raise _unauthenticated(
            "Kubernetes does not accept this token for this service (wrong, expired, or another audience)"
        )
    return found


def _token(request: Request) -> str:
    """Empty: there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _asked(review: Awaitable[Caller | None]) -> Caller | None:
    try:
        return await review
    except UnavailableError as error:
        # Where Kubernetes is, and how it fails, is not for clients that nothing is known of.
        log.warning("no token can be reviewed", reason=str(error))
        message = "Kubernetes does not say whose this token is; try again in a few seconds"
        headers = {"Retry-After": str(RETRY_AFTER)}
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, message, headers=headers) from error


CallerDep = Annotated[Caller, Depends(caller)]


async def within_caller_limit(request: Request, services: Services, who: CallerDep) -> AsyncIterator[None]:
    """One of the caller's turns, for as long as the request is under way; 429 where all are taken."""
    with services.caller_limit.take(who.user_id):
        audit.begin(request)
        yield


async def within_scraper_limit(request: Request, services: Services) -> AsyncIterator[None]:
    """A turn of a caller, or of whom Kubernetes lets read /metrics: Prometheus has no token for our audience.

    Raises:
        Problem: 401; 429 where all of their turns are taken.
    """
    try:
        who = await caller(request, services)
    except Problem as problem:
        if problem.status is not HTTPStatus.UNAUTHORIZED or not (token := _token(request)):
            raise
        found = await _asked(services.reviews.scraper(token))
        if found is None:
            raise
        who = request.state.caller = found
    with services.caller_limit.take(who.user_id):
        yield


def _unauthenticated(message: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, message, headers={"WWW-Authenticate": 'Bearer realm="opsjobs"'})


async def require_begin(services: Services, who: Caller, job: Job, what: str) -> None:
    """Let only those have work begun on an accepted job who may change it and create such a job, owner or not.

    Raises:
        Problem: 403.
    """
    for verb in ("update", "create"):
        if not await services.may(who, verb, job):
            where = f"in workspace {job.workspace_id!r}" if job.workspace_id else "in the whole cluster"
            right = f"the rights are update and create on opsjobs.opsjob.io/{job.type} {where}; {verb} is missing"
            raise Problem(HTTPStatus.FORBIDDEN, f"{who.user_name} may not {what} {job.job_id}: {right}")


async def visible(services: Services, who: Caller) -> Visible:
    """Which jobs a list shows: the caller's own, and those of the types they may list, everywhere or in workspaces."""
    workspaces = await services.workspace_namespaces.all()
    granted = await services.reviews.granted(who, "list", JobType, workspaces.values())
    everywhere = frozenset(kind for kind in JobType if (kind, None) in granted)
    elsewhere = [kind for kind in JobType if kind not in everywhere]
    return Visible(
        user_id=who.user_id,
        cluster_id=services.submission.cluster_id,
        everywhere=everywhere,
        workspaces=frozenset(
            (kind, workspace_id)
            for kind in elsewhere
            for workspace_id, namespace in workspaces.items()
            if (kind, namespace) in granted
        ),
    )


async def readable(services: Services, who: Caller, job: Job) -> Job:
    """The job, without the link to logs that the caller neither asked for nor may read without it."""
    if await may_read_output(services, who, job):
        return job
    link = traits_of(job.type).guarded_output
    return replace(job, outputs=tuple(output for output in job.outputs if output.name != link))


async def may_read_output(services: Services, who: Caller, job: Job) -> bool:
    """Whether who may see a job may also read what it wrote: of a dumplog, what they may read themselves."""
    if not traits_of(job.type).guarded_output:
        return True
    return services.is_own(who, job) or await _may_read(services, who, job)


async def require_output(services: Services, who: Caller, job: Job) -> None:
    """Let only those read a job's output whom it is for; they may see the job.

    Raises:
        Problem: 403.
    """
    if not await may_read_output(services, who, job):
        message = f"{who.user_name} may not get pods/log, or nodes/log, of what {job.job_id} read: see its inputs"
        raise Problem(HTTPStatus.FORBIDDEN, message)


async def _may_read(services: Services, who: Caller, job: Job) -> bool:
    archived = prepare_dumplog.Archived.of(job.work)
    if archived is None or not services.is_here(job):
        return False
    for namespace in sorted(archived.namespaces):
        if not await services.reviews.may_get(who, namespace, "pods/log"):
            return False
    nodes = sorted(archived.nodes)
    return not nodes or await services.reviews.readable_nodes(who, nodes) == archived.nodes


async def job_for(
    services: Services, who: Caller, job_id: str, verb: str, note: Callable[[Job], None] = lambda _job: None
) -> Job:
    """The job, if the caller may do `verb` with it; it is noted for the audit log also where they may not.

    Raises:
        Problem: 404 where there is none or the caller may not see it; 403 where they may see it but not more; 409 where
            it is another cluster's.
    """
    job = await services.records.get(job_id) if is_job_id(job_id) else None
    if job is None:
        raise unknown_job(job_id)
    note(job)
    if services.is_own(who, job) or await services.may(who, verb, job):
        if verb != "get" and not services.is_here(job):
            here = services.submission.cluster_id
            message = f"{job_id} runs in cluster {job.cluster_id!r} and is changed only there; this is cluster {here!r}"
            raise Problem(HTTPStatus.CONFLICT, message)
        return job
    if verb != "get" and await services.may(who, "get", job):
        raise Problem(
            HTTPStatus.FORBIDDEN, f"{who.user_name} may see {job_id} but not {verb} it (opsjobs.opsjob.io/{job.type})"
        )
    raise unknown_job(job_id)
