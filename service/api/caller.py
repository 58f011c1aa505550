"""Who asks, and what they may do (contract: Who may do what)."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request

from service.api.problems import Problem, unknown_job
from service.api.wiring import Services
from service.domain.cluster import Caller
from service.domain.job import Job, JobType
from service.domain.listing import Visible
from service.domain.selection import Selection


async def caller(request: Request, services: Services) -> Caller:
    """The caller behind the bearer token, as TokenReview answers.

    Raises:
        Problem: 401 without a token that Kubernetes accepts for our audience.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthenticated("a bearer token is needed: Authorization: Bearer …")
    found = await services.reviews.caller(token.strip())
    if found is None:
        raise _unauthenticated(
            "Kubernetes does not accept this token for this service (wrong, expired, or another audience)"
        )
    request.state.caller = found
    return found


CallerDep = Annotated[Caller, Depends(caller)]


def _unauthenticated(message: str) -> Problem:
    return Problem(HTTPStatus.UNAUTHORIZED, message, headers={"WWW-Authenticate": 'Bearer realm="opsjobs"'})


async def require_create(services: Services, who: Caller, kind: JobType, selection: Selection) -> None:
    """Let only those submit whom Kubernetes RBAC lets create that type in that workspace, or cluster-wide.

    Raises:
        Problem: 403.
    """
    if not await services.reviews.may(who, "create", kind, await services.namespace(selection.workspace_id)):
        where = f"in workspace {selection.workspace_id!r}" if selection.workspace_id else "on nodes of no one workspace"
        message = f"{who.user_name} may not create {kind} jobs {where}: the right is create on opsjobs.opsjob.io/{kind}"
        raise Problem(HTTPStatus.FORBIDDEN, message)


async def visible(services: Services, who: Caller) -> Visible:
    """Which jobs a list shows: the caller's own, and those of the types they may list."""
    types = [kind for kind in JobType if await services.reviews.may(who, "list", kind, None)]
    return Visible(user_id=who.user_id, everywhere=frozenset(types))


async def job_for(services: Services, who: Caller, job_id: str, verb: str) -> Job:
    """The job, if the caller may do `verb` with it.

    Raises:
        Problem: 404 where there is none or the caller may not see it; 403 where they may see it but not more.
    """
    job = await services.records.get(job_id)
    if job is None:
        raise unknown_job(job_id)
    if job.user_id == who.user_id or await services.may(who, verb, job):
        return job
    if verb != "get" and await services.may(who, "get", job):
        raise Problem(
            HTTPStatus.FORBIDDEN, f"{who.user_name} may see {job_id} but not {verb} it (opsjobs.opsjob.io/{job.type})"
        )
    raise unknown_job(job_id)
