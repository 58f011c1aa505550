"""The query of GET /api/v1/audit: what a list of jobs can be narrowed to, and what was done and came of it."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated

from pydantic import Field, field_validator

from service.api.list_parameters import (
    DESCENDING,
    MAX_LIMIT,
    MAX_OFFSET,
    MOMENT,
    NO_END,
    WHEN,
    Text,
    earlier,
    end,
    moment,
    not_after_until,
    validated,
)
from service.api.queries import Parsed, Query, choice, whole_number
from service.domain.audit_line import Action, AuditQuery, Outcome
from service.domain.job import JobType


class AuditParameters(Query):
    """The context of a validation is the time now."""

    offset: Annotated[int, whole_number(0, MAX_OFFSET)] = 0
    limit: Annotated[int, whole_number(1, MAX_LIMIT)] = 100
    order: Annotated[bool, DESCENDING] = Field(default=True, description="by time")
    # Before since, which is compared with it.
    until: Annotated[datetime, Parsed(partial(moment, up=False), MOMENT)] = Field(NO_END, description=WHEN)
    since: Annotated[datetime | None, Parsed(partial(moment, up=True), MOMENT)] = Field(None, description=WHEN)
    cluster_id: Text = Field(None, description="lines of this cluster are all that there are")
    workspace_id: Text = None
    user_name: Text = Field(None, description="case-insensitive substring")
    job_name: Text = Field(None, description="case-insensitive substring")
    job_id: Text = None
    node: Text = Field(None, description="calls about jobs whose plan holds the node of exactly that name")
    type: Annotated[JobType | None, choice(JobType)] = None
    action: Annotated[Action | None, choice(Action)] = None
    outcome: Annotated[Outcome | None, choice(Outcome)] = None

    _is_not_after_until = field_validator("since")(not_after_until)


def audit_query(params: Mapping[str, str], here: str, now: datetime) -> AuditQuery:
    """What was asked for in the cluster `here`; unknown names are ignored, an empty value is an absent one.

    Raises:
        Problem: 400 with every fault of the query at once.
    """
    asked = validated(AuditParameters, params, now)
    return AuditQuery(
        here=here,
        since=asked.since or earlier(end(asked.until, now)),
        descending=asked.order,
        **asked.model_dump(exclude={"since", "order"}),
    )
