"""The query of a list request (opsjob-api.md: List; contract: List)."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import TypeVar

from service.api.problems import refused
from service.api.write_parameters import truth
from service.domain.job import JobType, Phase
from service.domain.list_query import ListQuery, SortField, Visible
from service.domain.request_faults import Fault, shown

#: The document: since defaults to until-720h.
WINDOW = timedelta(hours=720)
#: What "now" comes to for until: a job of a replica whose clock is ahead is in the list as soon as it is accepted.
NO_END = datetime.max.replace(tzinfo=UTC)
MAX_LIMIT = 1000
MAX_OFFSET = 2**31 - 1

#: RFC 3339 with any fraction and any offset; a time without an offset, as the document shows them, is UTC.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+\- ]\d\d:\d\d)?")

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=Enum)


def list_query(params: Mapping[str, str], visible: Visible, now: datetime) -> ListQuery:
    """What a list was asked for; unknown names are ignored, an empty value is an absent one.

    Raises:
        Problem: 400 with every fault of the query at once.
    """
    given = {name: value for name, value in params.items() if value}
    faults: list[Fault] = []

    def read(name: str, parse: Callable[[str], Value], default: Value) -> Value:
        if name not in given:
            return default
        try:
            return parse(given[name])
        except ValueError as error:
            faults.append(Fault(name, str(error)))
            return default

    until = read("until", lambda text: _moment(text, up=False), NO_END)
    end = now if until == NO_END else until
    since = read("since", lambda text: _moment(text, up=True), _earlier(end))
    if since > end and not faults:
        faults.append(Fault("since", "is after until"))
    query = ListQuery(
        since=since,
        until=until,
        visible=visible,
        offset=read("offset", lambda text: _number(text, 0, MAX_OFFSET), 0),
        limit=read("limit", lambda text: _number(text, 1, MAX_LIMIT), 100),
        sort_by=read("sortBy", lambda text: _choice(SortField, text), SortField.CREATION_TIME),
        descending=read("order", lambda text: _order(text) == "desc", default=True),
        cluster_id=given.get("clusterId"),
        workspace_id=given.get("workspaceId"),
        user_name=given.get("userName"),
        job_name=given.get("jobName"),
        node=given.get("node"),
        phase=read("phase", lambda text: _choice(Phase, text), None),
        type=read("type", lambda text: _choice(JobType, text), None),
        include_deleted=read("includeDeleted", truth, default=False),
    )
    faults += [Fault(name, "holds a NUL character") for name, value in given.items() if "\0" in value]
    if faults:
        raise refused(faults)
    return query


def _earlier(until: datetime) -> datetime:
    try:
        return until - WINDOW
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _moment(text: str, *, up: bool) -> datetime:
    """A time in whole milliseconds, as creation times are kept: rounded up for since, down for until."""
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError(f"{shown(text)} is not an RFC 3339 time like 2025-01-10T08:00:00.000Z")
    day, clock, fraction, offset = match.groups()
    # A plus sign that was not percent-encoded arrives as a space.
    offset = "+00:00" if not offset or offset in "Zz" else offset.replace(" ", "+")
    digits = (fraction or ".0")[1:]
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{offset}").astimezone(UTC)
        whole = moment + timedelta(milliseconds=int(digits[:3].ljust(3, "0")))
        beyond = up and digits[3:].strip("0") != ""
        return whole + timedelta(milliseconds=1) if beyond else whole
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shown(text)} is not a time: {error}") from error


def _number(text: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,10}", text) or not least <= int(text) <= most:
        raise ValueError(f"{shown(text)} must be a whole number from {least} to {most}")
    return int(text)


def _choice(choices: type[Choice], text: str) -> Choice:
    try:
        return choices(text)
    except ValueError as error:
        raise ValueError(
            f"{shown(text)} must be one of {', '.join(str(choice.value) for choice in choices)}"
        ) from error


def _order(text: str) -> str:
    if text not in ("asc", "desc"):
        raise ValueError(f"{shown(text)} must be asc or desc")
    return text
