"""Who would change what: two log lines for every such request, and one in the store for GET /api/v1/audit.

`audit begun`: who begins what, from where, before the service works on it; so that a request which never ends is known
too. `audit`: on which nodes, and what came of it. Both have the request's id. A dry run has only the first. In the
store a call that changed a job stands since that change; the others come a moment later, and only so many of them
(service.jobs.audit_trail). A token is in none of them: nothing here sees one.
"""

import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import Request

from service.domain.audit_line import Action, AuditEntry, AuditLine, Outcome
from service.domain.cluster_objects import Caller
from service.domain.job import Job
from service.domain.request_faults import cut
from service.metrics import AUDITED_CALLS

#: Name of a route's function → what it does.
_ACTIONS = {
    "create": Action.CREATE,
    "stop_job": Action.STOP,
    "delete_job": Action.DELETE,
    "retry_job": Action.RETRY,
    "pause_job": Action.PAUSE,
    "resume_job": Action.RESUME,
    "advance_job": Action.ADVANCE,
    "freeze": Action.FREEZE,
    "unfreeze": Action.UNFREEZE,
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
    """The job that is stopped or deleted. Of another cluster's no more is known here than the id that was sent."""
    if job.cluster_id != _services(request).submission.cluster_id:
        return
    request.state.audited_job = job
    note(request, type=job.type, nodes=list(job.plan.names))


def entry(request: Request) -> AuditEntry:
    """For the transaction that changes the job: there the line is in the store if and only if the change is."""
    request.state.audit_entry = made = AuditEntry(_line(request, HTTPStatus.OK))
    return made


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
    outcome = _outcome(status)
    AUDITED_CALLS.labels(action.value, outcome.value).inc()
    job_id = facts.pop("job_id", request.path_params.get("job_id"))
    _log.info("audit", action=action, **_who(request), job_id=job_id, status=status, outcome=outcome, **facts)
    kept: AuditEntry | None = getattr(request.state, "audit_entry", None)
    is_kept = outcome is Outcome.DONE and kept is not None and kept.kept
    if not is_kept and (services := _services(request)) is not None:
        services.audit_recorder.put(_line(request, status))


def _line(request: Request, status: int) -> AuditLine:
    """What there is to say of the request so far. Texts of others are cut: some are only names that they sent."""
    action, facts, who = _action(request), _noted(request), _who(request)
    job: Job | None = getattr(request.state, "audited_job", None)
    line = AuditLine(
        at=datetime.now(UTC),
        action=action or Action.CREATE,
        outcome=_outcome(status),
        status=status,
        cluster_id=_services(request).submission.cluster_id,
        user_id=who["user_id"] or "",
        user_name=who["user"] or "",
        groups=tuple(who["groups"]),
        source=who["source"] or "",
        request_id=getattr(request.state, "request_id", ""),
        job_id=cut(str(facts.get("job_id") or request.path_params.get("job_id") or "")),
        type=str(facts.get("type") or ""),
    )
    return line.about(job) if job and "job_id" not in facts else line


def _services(request: Request) -> Any:
    """What the routes work with; None: the service is not put together. Its type's module imports this one."""
    return getattr(request.app.state, "dependencies", None)


def _action(request: Request) -> Action | None:
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


def _outcome(status: int) -> Outcome:
    if status < HTTPStatus.BAD_REQUEST:
        return Outcome.DONE
    return Outcome.REFUSED if status < HTTPStatus.INTERNAL_SERVER_ERROR else Outcome.FAILED
