"""Answers that are no success, as a person reads them (RFC 9457, with the service's errors)."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from opsjobs_cli.complaints import Complaint, RefusedError, UnreachableError
from opsjobs_cli.neutral_text import neutral, neutral_lines

if TYPE_CHECKING:
    from httpx import Response

#: What the framework answers for a path that it does not know; an unknown job has a code of its own.
_NO_SUCH_CALL = {"NOT_FOUND", "METHOD_NOT_ALLOWED"}
#: What the service says of a request with the same key that is under way.
_IN_FLIGHT = "KEY_IN_FLIGHT"
#: Faults that are shown; the service sends 50 at most.
_SHOWN = 50

_HINTS = {
    HTTPStatus.UNAUTHORIZED: "Is it a token for this service (kubectl create token … --audience=opsjobs)?",
    HTTPStatus.FORBIDDEN: "opsjobs whoami shows what you may do; rights are Kubernetes RBAC on opsjobs.opsjob.io.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "A body may have 1 MiB: name fewer nodes outright, or select them by a label.",
}


def lacks_call(error: RefusedError) -> bool:
    """Whether the service is older than the call, and not against it."""
    return error.code in _NO_SUCH_CALL


def may_pass(answer: "Response") -> bool:
    """Whether it may be another answer in a moment."""
    if answer.status_code == HTTPStatus.CONFLICT:
        return _problem(answer).get("errorCode") == _IN_FLIGHT
    return answer.is_server_error or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS


def retry_after(answer: "Response", otherwise: float) -> float:
    """Seconds; a date, or nothing, is as good as no word."""
    given = answer.headers.get("Retry-After", "")
    return float(given) if given.isdecimal() else otherwise


def of(answer: "Response") -> Complaint:
    """What ends the command because of this answer."""
    problem = _problem(answer)
    message = _message(answer, problem)
    status = answer.status_code
    if may_pass(answer):
        return UnreachableError(f"the service cannot do this now ({answer.status_code}): {message}", status=status)
    code = str(problem.get("errorCode", ""))
    if answer.is_redirect:
        return RefusedError(
            f"{neutral(answer.url.host)} sends elsewhere: give the service's own address", status=status
        )
    if code in _NO_SUCH_CALL:
        call = f"{answer.request.method} {neutral(answer.request.url.path)}"
        return RefusedError(f"the service is older than this command: it has no {call}", status=status, code=code)
    return RefusedError(message, status=status, code=code)


def spoken(error: Exception) -> str:
    """An error of the connection, which may have no words of its own."""
    return str(error) or type(error).__name__


def _problem(answer: "Response") -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _message(answer: "Response", problem: dict[str, Any]) -> str:
    faults = [fault for fault in problem.get("errors") or () if isinstance(fault, dict)][:_SHOWN]
    if len(faults) > 1:
        lines = [f"  {neutral(fault.get('path', ''))}: {neutral(fault.get('message', ''))}" for fault in faults]
        return "\n".join(("refused, for these reasons:", *lines))
    said = problem.get("errorMessage") or problem.get("detail")
    # Not of the service but of a proxy between, whose page is not shown.
    words = neutral_lines(said) if said else f"answered {answer.status_code} {neutral(answer.reason_phrase)}"
    hint = _HINTS.get(HTTPStatus(answer.status_code)) if answer.status_code in _HINTS else None
    return f"{words}\n{hint}" if hint else words
