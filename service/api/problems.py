"""Errors as people and programs read them: RFC 9457 with errorCode and errorMessage (contract: errors)."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route

from service.domain.request_faults import (
    MAX_FAULTS,
    Fault,
    FaultCode,
    NotPermittedError,
    RefusedError,
    StateError,
    cut,
    shown,
)
from service.jobs.ports import QuotaError, UnavailableError
from service.jobs.submit import KeyConflictError

log = structlog.get_logger()

#: Seconds after which a client may try again when a dependency was away.
RETRY_AFTER = 5
#: The same where one of many jobs has to end first.
RETRY_AFTER_A_JOB = 60


class Problem(Exception):  # noqa: N818  # RFC 9457 calls it a problem
    """Anything that is answered with an error status. `message` says what was wrong, where, and what to do.

    `code` is the kind of it for programs; left out, it is the status' own name.
    """

    def __init__(
        self,
        status: HTTPStatus,
        message: str,
        *,
        code: str = "",
        faults: Sequence[Fault] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or status.name
        self.faults = faults
        self.headers = headers or {}


def problem_response(problem: Problem) -> JSONResponse:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.message,
        "errorCode": problem.code,
        "errorMessage": problem.message,
    }
    if problem.faults:
        body["errors"] = [
            {"path": fault.path, "message": fault.message, "errorCode": fault.code.value} for fault in problem.faults
        ]
    return JSONResponse(body, problem.status, problem.headers, media_type="application/problem+json")


def refused(faults: Iterable[Fault]) -> Problem:
    """400 with the faults of the request at once, each with its path; where there are too many, the first of them.

    All of one kind: that is the problem's errorCode. Of several kinds: BAD_REQUEST, and each fault has its own.
    """
    found = list(faults)
    named = [replace(fault, path=cut(fault.path)) for fault in found[:MAX_FAULTS]]
    message = "; ".join(map(str, named))
    if len(found) > len(named):
        message += f"; and {len(found) - len(named)} more"
    codes = {fault.code for fault in found}
    return Problem(HTTPStatus.BAD_REQUEST, message, code=codes.pop() if len(codes) == 1 else "", faults=named)


def invalid(path: str, message: str, code: FaultCode = FaultCode.INVALID_VALUE) -> Problem:
    """400 for a single fault."""
    return refused([Fault(path, message, code)])


def unknown_job(job_id: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"there is no job {shown(job_id)}", code="UNKNOWN_JOB")


def _methods(request: Request, routes: Iterable[BaseRoute]) -> set[str]:
    """What this path can be asked for; the framework would name only the first route that has it."""
    return {
        method
        for route in routes
        if isinstance(route, Route) and route.path_regex.match(request.url.path)
        for method in route.methods or ()
    }


async def _not_permitted(_request: Request, error: Exception) -> JSONResponse:
    return problem_response(Problem(HTTPStatus.FORBIDDEN, str(error)))


async def _too_many(_request: Request, error: Exception) -> JSONResponse:
    headers = {"Retry-After": str(RETRY_AFTER_A_JOB)}
    return problem_response(Problem(HTTPStatus.TOO_MANY_REQUESTS, str(error), headers=headers))


def install(app: FastAPI, routes: Iterable[BaseRoute]) -> None:
    """Let every error of the app leave as a problem; `routes` are all that the app has."""

    @app.exception_handler(Problem)
    async def _(_request: Request, problem: Problem) -> JSONResponse:
        return problem_response(problem)

    @app.exception_handler(RefusedError)
    async def _(_request: Request, error: RefusedError) -> JSONResponse:
        return problem_response(refused(error.faults))

    @app.exception_handler(StateError)
    async def _(_request: Request, error: StateError) -> JSONResponse:
        return problem_response(Problem(HTTPStatus.CONFLICT, str(error), code=error.code))

    app.add_exception_handler(NotPermittedError, _not_permitted)
    app.add_exception_handler(QuotaError, _too_many)

    @app.exception_handler(UnavailableError)
    async def _(_request: Request, error: UnavailableError) -> JSONResponse:
        log.warning("dependency away", reason=str(error))
        headers = {"Retry-After": str(RETRY_AFTER)}
        return problem_response(
            Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}; try again in a few seconds", headers=headers)
        )

    @app.exception_handler(KeyConflictError)
    async def _(_request: Request, error: KeyConflictError) -> JSONResponse:
        if error.in_flight:
            headers = {"Retry-After": str(RETRY_AFTER)}
            message = f"{error}; try again in a few seconds"
            return problem_response(Problem(HTTPStatus.CONFLICT, message, code="KEY_IN_FLIGHT", headers=headers))
        message = f"{error}; use a new key for a new job"
        return problem_response(Problem(HTTPStatus.UNPROCESSABLE_ENTITY, message, code="KEY_OF_ANOTHER_BODY"))

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        message = f"{cut(request.method)} {cut(request.url.path)}: {status.description or status.phrase}"
        headers = dict(error.headers or {})
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(sorted(_methods(request, routes)))
        return problem_response(Problem(status, message, headers=headers))

    @app.exception_handler(Exception)
    async def _(_request: Request, error: Exception) -> JSONResponse:
        log.error("unexpected", exc_info=error)
        return problem_response(
            Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "something failed here that should not; the log has it")
        )
