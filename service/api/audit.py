"""One line for every request that would change something: who asked for what, on which nodes, and what came of it.

A token is never in it: nothing here sees one.
"""

import logging
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import Request

from service.domain.job import Job

#: Name of a route's function → what it does.
_ACTIONS = {"create": "create", "stop_job": "stop", "delete_job": "delete"}

# Whatever the log level is: this is the record of what was done with root on the nodes.
_log = structlog.wrap_logger(
    structlog.PrintLogger(), wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET)
)


def note(request: Request, **facts: Any) -> None:
    """What a route learned of the job: job_id, type, nodes. dry_run: nothing would change, and nothing is written."""
    request.state.audit = {**_noted(request), **facts}


def about(request: Request, job: Job) -> None:
    """The job that is stopped or deleted."""
    note(request, type=job.type, nodes=list(job.plan.names))


def write(request: Request, status: int) -> None:
    """The line of this request, if it is one that would change something."""
    route = request.scope.get("route")
    action = _ACTIONS.get(getattr(route, "name", ""))
    facts = _noted(request)
    if action is None or facts.pop("dry_run", False):
        return
    who = getattr(request.state, "caller", None)
    _log.info(
        "audit",
        action=action,
        user=who.user_name if who else None,
        user_id=who.user_id if who else None,
        job_id=facts.pop("job_id", request.path_params.get("job_id")),
        status=status,
        outcome=_outcome(status),
        **facts,
    )


def _noted(request: Request) -> dict[str, Any]:
    return dict(getattr(request.state, "audit", {}))


def _outcome(status: int) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return "done"
    return "refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
