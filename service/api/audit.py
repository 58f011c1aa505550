"""Two lines for every request that would change something. A token is never in them: nothing here sees one.

`audit begun`: who begins what, from where, before the service works on it; so that a request which never ends is known
too. `audit`: on which nodes, and what came of it. Both have the request's id. A dry run has only the first.
"""

import logging
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import Request

from service.domain.cluster_objects import Caller
from service.domain.job import Job
from service.domain.request_faults import cut

#: Name of a route's function → what it does.
_ACTIONS = {
    "create": "create",
    "stop_job": "stop",
    "delete_job": "delete",
    "retry_job": "retry",
    "pause_job": "pause",
    "resume_job": "resume",
    "advance_job": "advance",
    "freeze": "freeze",
    "unfreeze": "unfreeze",
}

#: A directory may have its members in hundreds of groups.
MAX_GROUPS = 20

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


def begin(request: Request) -> None:
    """The first line of this request, if it is one that would change something; its caller is known."""
    if action := _action(request):
        size = request.headers.get("Content-Length")
        facts = {"job_id": request.path_params.get("job_id"), "query": cut(request.url.query), "bytes": size}
        _log.info("audit begun", action=action, **_who(request), **facts)


def write(request: Request, status: int) -> None:
    """The last line of this request, if it is one that would change something."""
    action, facts = _action(request), _noted(request)
    if action is None or facts.pop("dry_run", False):
        return
    job_id = facts.pop("job_id", request.path_params.get("job_id"))
    _log.info("audit", action=action, **_who(request), job_id=job_id, status=status, outcome=_outcome(status), **facts)


def _action(request: Request) -> str | None:
    return _ACTIONS.get(getattr(request.scope.get("route"), "name", ""))


def _who(request: Request) -> dict[str, Any]:
    """Who asks and from where: the peer, or whom a trusted proxy names (the chart's value trustedProxies)."""
    who: Caller | None = getattr(request.state, "caller", None)
    return {
        "user": who.user_name if who else None,
        "user_id": who.user_id if who else None,
        "groups": list(who.groups[:MAX_GROUPS]) if who else [],
        "source": cut(request.client.host) if request.client else None,
    }


def _noted(request: Request) -> dict[str, Any]:
    return dict(getattr(request.state, "audit", {}))


def _outcome(status: int) -> str:
    if status < HTTPStatus.BAD_REQUEST:
        return "done"
    return "refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
