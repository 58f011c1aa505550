"""The query of a request for a job's output, and from where on it is wanted (contract: Following a job)."""

import re
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Request
from pydantic import Field, ValidationError

from service.api.list_parameters import MOMENT, moment
from service.api.problems import Problem, invalid, refused
from service.api.queries import BOOLEAN, Parsed, Query, faults, or_empty, truth, whole_number
from service.domain.job import Job, NodePhase
from service.domain.job_output import Wanted
from service.domain.log_position import BadPositionError, LogPosition
from service.domain.request_faults import Fault, FaultCode, shown
from service.jobs.reading_output import MOST_NODES

MAX_TAIL = 10_000

_STEP = r"[A-Za-z0-9-]{1,63}"


def _step(text: str) -> str:
    if not re.fullmatch(_STEP, text):
        raise ValueError(f"{shown(text)} is no name of a step")
    return text


class LogParameters(Query):
    node: Annotated[str, Parsed(str, or_empty({"type": "string", "pattern": r"^[^\u0000]*$"}))] = Field(
        "", description="one of the plan; without it all, and of a job that is followed those in work"
    )
    step: Annotated[str, Parsed(_step, or_empty({"type": "string", "pattern": f"^{_STEP}$"}))] = Field(
        "", description="as Argo names it"
    )
    follow: Annotated[bool, Parsed(truth, BOOLEAN)] = Field(
        False,
        description="go on until the job has ended; bare, it means the same as true",
    )
    tail_lines: Annotated[int | None, whole_number(0, MAX_TAIL)] = Field(None, description="of each step's output")
    since_time: Annotated[Any, Parsed(partial(moment, up=False), MOMENT)] = Field(None, description="RFC 3339")


def wanted(request: Request, job: Job) -> Wanted:
    """What is asked for; unknown names are ignored, an empty value is an absent one, a bare follow is meant.

    Raises:
        Problem: 400 with every fault of the query at once.
    """
    given = {name: value for name, value in request.query_params.items() if value}
    if request.query_params.get("follow") == "":
        given["follow"] = "true"
    node = given.get("node", "")
    unknown = [Fault("node", f"{shown(node)} is no node of this job's plan", FaultCode.UNKNOWN_NODE)]
    unknown = unknown if node and node not in job.plan.names else []
    try:
        asked = LogParameters.model_validate(given)
    except ValidationError as error:
        raise refused([*unknown, *faults(error)]) from error
    if unknown:
        raise refused(unknown)
    since = int(asked.since_time.timestamp() * 1000) * 10**6 if asked.since_time else 0
    return Wanted(node=node, step=asked.step, follow=asked.follow, tail=asked.tail_lines, since=since)


def require_few_nodes(job: Job, asked: Wanted) -> None:
    """Who follows a job without naming a node follows the nodes in work.

    Raises:
        Problem: 400 where these are more than may be followed at a time.
    """
    in_work = sum(node.phase is NodePhase.RUNNING for node in job.plan.nodes)
    if asked.follow and not asked.node and in_work > MOST_NODES:
        message = f"{in_work} nodes are in work, and at most {MOST_NODES} are followed at a time: name one of them"
        raise invalid("node", message, FaultCode.LIMIT_EXCEEDED)


def position(request: Request) -> LogPosition | None:
    """Where the client of events was.

    Raises:
        Problem: 400 where its Last-Event-ID is none of ours.
    """
    text = request.headers.get("Last-Event-ID", "")
    if not text:
        return None
    try:
        return LogPosition.of(text)
    except BadPositionError as error:
        message = "Last-Event-ID is none that this service sent: leave it out to read from the beginning"
        raise Problem(HTTPStatus.BAD_REQUEST, message) from error
