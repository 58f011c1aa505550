"""What is asked of the list and of get, and how fast the answer must be."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from service.domain.list_query import SortField
from tests.bench.history import EVERYWHERE

PATH = "/api/v1/opsjobs"

#: Milliseconds at the 99th percentile, one caller at a time (issue 4).
PAGE_TARGET, FILTER_TARGET, GET_TARGET = 25.0, 50.0, 10.0

FIRST = "page 1"
DEEPEST = "deepest page"
BY_TYPE = "type=addon"

FILTERS: dict[str, dict[str, str]] = {
    BY_TYPE: {"type": "addon"},
    "phase=Running": {"phase": "Running"},
    "phase=Succeeded": {"phase": "Succeeded"},
    "clusterId": {"clusterId": "prod-cluster"},
    "workspaceId": {"workspaceId": "prod-cluster-team-7"},
    "userName, many match": {"userName": "SERVICEACCOUNT"},
    "userName, few match": {"userName": "user-17"},
    "userName, none matches": {"userName": "100%_"},
    "jobName": {"jobName": "kernel 77"},
    "includeDeleted": {"includeDeleted": "true"},
    "node": {"node": "gpu-0007"},
    "node in every job": {"node": EVERYWHERE},
    "node and type, by endTime": {"node": "gpu-0007", "type": "reboot", "sortBy": "endTime"},
    "type and phase": {"type": "addon", "phase": "Succeeded"},
    "userName and phase, by jobName": {"userName": "user-17", "phase": "Failed", "sortBy": "jobName"},
}


class Case(NamedTuple):
    """`paths` take turns. `target` None: three times the first page. `asked_by`: a caller of the control plane."""

    name: str
    paths: Sequence[str]
    target: float | None
    asked_by: str = "viewer"


def cases(total: int, ids: Sequence[str]) -> Iterator[Case]:
    """Every case for a store that lists `total` jobs and holds these ids."""
    deepest = total - 100
    sorts = [field.value for field in SortField]
    chosen = random.Random(2).sample(list(ids), min(100, len(ids)))  # noqa: S311 — the same in every run
    yield Case(FIRST, [_list()], PAGE_TARGET)
    yield Case(DEEPEST, [_list(offset=deepest)], None)
    yield Case("page in the middle", [_list(offset=deepest // 2)], None)
    for name, query in FILTERS.items():
        yield Case(name, [_list(**query)], FILTER_TARGET)
    yield Case("since and until, one day", [_list(**_day(14))], FILTER_TARGET)
    # Half of all jobs are addons: this is the middle of theirs, which is as far from either end as a page can be.
    yield Case("type=addon, deep page", [_list(type="addon", offset=total // 4)], FILTER_TARGET)
    yield Case("a caller with only their own", [_list()], FILTER_TARGET, "owner")
    yield Case("a member of 100 workspaces", [_list()], FILTER_TARGET, "member")
    yield Case("a member of 100 workspaces, type=addon", [_list(type="addon")], FILTER_TARGET, "member")
    yield Case("page 1 by each sortBy", [_list(sortBy=field) for field in sorts], PAGE_TARGET)
    yield Case("deepest page by each sortBy", [_list(sortBy=field, offset=deepest) for field in sorts], None)
    yield Case("get", [f"{PATH}/{job_id}" for job_id in chosen], GET_TARGET)


def _day(ago: int) -> dict[str, str]:
    """One whole day, that many days ago."""
    end = datetime.now(UTC) - timedelta(days=ago)
    return {"since": _rfc3339(end - timedelta(days=1)), "until": _rfc3339(end)}


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _list(**query: str | int) -> str:
    return f"{PATH}?{urlencode(query)}"
