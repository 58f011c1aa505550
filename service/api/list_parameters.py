"""The query of a list request (opsjob-api.md: List; contract: List)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator

from service.api.problems import refused
from service.api.queries import BOOLEAN, Parsed, Query, choice, faults, or_empty, truth, whole_number
from service.domain.job import JobType, Phase
from service.domain.list_query import ListQuery, SortField, Visible
from service.domain.request_faults import Fault, shown

AnyQuery = TypeVar("AnyQuery", bound=Query)

#: The document: since defaults to until-720h.
WINDOW = timedelta(hours=720)
#: What "now" comes to for until: a job of a replica whose clock is ahead is in the list as soon as it is accepted.
NO_END = datetime.max.replace(tzinfo=UTC)
MAX_LIMIT = 1000
MAX_OFFSET = 2**31 - 1

#: RFC 3339 with any fraction and any offset; a time without an offset, as the document shows them, is UTC.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+\- ]\d\d:\d\d)?")
WHEN = "RFC 3339, like 2025-01-10T08:00:00.000Z; both ends are included"
MOMENT = or_empty({"type": "string", "format": "date-time"})


def moment(text: str, *, up: bool) -> datetime:
    """A time in whole milliseconds, as creation times are kept: rounded up for since, down for until.

    Raises:
        ValueError: it is none; the message is for the caller.
    """
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError(f"{shown(text)} is not an RFC 3339 time like 2025-01-10T08:00:00.000Z")
    day, clock, fraction, offset = match.groups()
    # A plus sign that was not percent-encoded arrives as a space.
    offset = "+00:00" if not offset or offset in "Zz" else offset.replace(" ", "+")
    digits = (fraction or ".0")[1:]
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(UTC)
        whole += timedelta(milliseconds=int(digits[:3].ljust(3, "0")))
        beyond = up and digits[3:].strip("0") != ""
        return whole + timedelta(milliseconds=1) if beyond else whole
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shown(text)} is not a time: {error}") from error


def _descending(text: str) -> bool:
    if text not in ("asc", "desc"):
        raise ValueError(f"{shown(text)} must be asc or desc")
    return text == "desc"


DESCENDING = Parsed(_descending, or_empty({"type": "string", "enum": ["asc", "desc"]}))
Text = Annotated[str | None, Parsed(str, or_empty({"type": "string", "pattern": r"^[^\u0000]*$"}))]


def not_after_until(since: datetime, info: ValidationInfo) -> datetime:
    """A validator of `since`; the context of a validation is the time now."""
    now: Any = info.context
    # It is not there where it is faulty itself.
    if "until" in info.data and since > end(info.data["until"], now):
        raise ValueError("is after until")
    return since


class ListParameters(Query):
    """The context of a validation is the time now."""

    offset: Annotated[int, whole_number(0, MAX_OFFSET)] = 0
    limit: Annotated[int, whole_number(1, MAX_LIMIT)] = 100
    sort_by: Annotated[SortField, choice(SortField)] = SortField.CREATION_TIME
    order: Annotated[bool, DESCENDING] = True
    # Before since, which is compared with it.
    until: Annotated[datetime, Parsed(partial(moment, up=False), MOMENT)] = Field(NO_END, description=WHEN)
    since: Annotated[datetime | None, Parsed(partial(moment, up=True), MOMENT)] = Field(None, description=WHEN)
    cluster_id: Text = None
    workspace_id: Text = None
    user_name: Text = Field(None, description="case-insensitive substring")
    job_name: Text = Field(None, description="case-insensitive substring")
    node: Text = Field(None, description="jobs whose plan holds the node of exactly that name")
    phase: Annotated[Phase | None, choice(Phase)] = None
    type: Annotated[JobType | None, choice(JobType)] = None
    include_deleted: Annotated[bool, Parsed(truth, BOOLEAN)] = False

    _is_not_after_until = field_validator("since")(not_after_until)


def end(until: datetime, now: datetime) -> datetime:
    """The time that an `until` comes to."""
    return now if until == NO_END else until


def list_query(params: Mapping[str, str], visible: Visible, now: datetime) -> ListQuery:
    """What a list was asked for; unknown names are ignored, an empty value is an absent one.

    Raises:
        Problem: 400 with every fault of the query at once.
    """
    asked = validated(ListParameters, params, now)
    return ListQuery(
        since=asked.since or earlier(end(asked.until, now)),
        visible=visible,
        descending=asked.order,
        **asked.model_dump(exclude={"since", "order"}),
    )


def validated(model: type[AnyQuery], params: Mapping[str, str], now: datetime | None = None) -> AnyQuery:
    """What was asked for; unknown names are ignored, an empty value is an absent one. `now`: the model's context.

    Raises:
        Problem: 400 with every fault of the query at once.
    """
    given = {name: value for name, value in params.items() if value}
    try:
        asked = model.model_validate(given, context=now)
    except ValidationError as error:
        raise refused([*faults(error), *_unstorable(given)]) from error
    if found := _unstorable(given):
        raise refused(found)
    return asked


def _unstorable(given: Mapping[str, str]) -> list[Fault]:
    """Values that no name of anything can be."""
    return [Fault(name, "holds a NUL character") for name, value in given.items() if "\0" in value]


def earlier(until: datetime) -> datetime:
    """What `since` is where it is not given."""
    try:
        return until - WINDOW
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)
