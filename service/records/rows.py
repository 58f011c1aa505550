"""A job as rows: the record as JSON, the list item as it is answered, and the columns a list filters and sorts by."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from service.domain.job import Job
from service.domain.job_representation import item

#: A time that is not there. Smaller than any other, so empty times sort first (ascending).
NO_TIME = -1
#: PostgreSQL's index entries end at 2.7 kB; names longer than this sort by their beginning.
SORTED_LENGTH = 500

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_record = TypeAdapter(Job)


def milliseconds(moment: datetime | None) -> int:
    """Whole milliseconds since 1970, rounded down as rfc3339 does; NO_TIME where there is none."""
    return NO_TIME if moment is None else (moment - _EPOCH) // _MILLISECOND


def storable(text: str) -> str:
    """The text as both databases can hold and compare it: PostgreSQL knows neither NUL nor half of a surrogate pair."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def folded(text: str) -> str:
    """The text for a comparison that does not see upper and lower case."""
    return storable(text).casefold()


def scope(job_type: str, workspace_id: str) -> str:
    """One value for a (type, workspace) pair, so that a list of them is a list of plain texts."""
    return f"{job_type}/{storable(workspace_id)}"


def to_body(job: Job) -> str:
    return _record.dump_json(job).decode()


def from_body(body: str) -> Job:
    return _record.validate_json(body)


def to_item(job: Job) -> str:
    """The list item as it is answered."""
    return json.dumps(item(job), ensure_ascii=False, separators=(",", ":"))


def unsettled(job: Job) -> bool:
    """Whether the job asks for something in the cluster that was not seen done (ports: unsettled)."""
    stopping = job.stop_requested is not None and not job.phase.final
    steering = job.steered is not None and not job.steered.carried_out and not job.phase.final
    asks = not job.workflow_uid or bool(job.refused) or stopping or job.hidden or steering
    return not job.workflow_gone and asks


def to_job_row(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "created_ms": milliseconds(job.created),
        "ended_ms": milliseconds(job.ended),
        "workflow_gone": int(job.workflow_gone),
        "unsettled": int(unsettled(job)),
        "item": to_item(job),
        "body": to_body(job),
    }


def to_listing_row(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "created_ms": milliseconds(job.created),
        "hidden": int(job.hidden),
        "type": job.type.value,
        "phase": job.phase.value,
        "cluster_id": storable(job.cluster_id),
        "workspace_id": storable(job.workspace_id),
        "scope": scope(job.type, job.workspace_id),
        "user_id": storable(job.user_id),
        "user_name": storable(job.user_name)[:SORTED_LENGTH],
        "job_name": storable(job.job_name)[:SORTED_LENGTH],
        "user_name_folded": folded(job.user_name),
        "job_name_folded": folded(job.job_name),
        "started_ms": milliseconds(job.started),
        "ended_ms": milliseconds(job.ended),
        "deletion_ms": milliseconds(job.deletion_time),
        "timeout_second": job.timeout_second,
    }
