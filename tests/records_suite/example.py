"""Jobs for tests: valid, complete, and different only in what a test names."""

from datetime import UTC, datetime, timedelta
from typing import Any

from service.domain.job import Job, JobType
from service.domain.list_query import ListQuery, Visible
from service.jobs.ports import IdempotencyKey

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
EVERYTHING = Visible("nobody", "prod", everywhere=frozenset(JobType))


def a_job(job_id: str = "upgrade-abc123", **fields: Any) -> Job:
    plain: dict[str, Any] = {
        "job_id": job_id,
        "job_name": "Upgrade",
        "type": JobType.ADDON,
        "cluster_id": "prod",
        "user_id": "user-1",
        "user_name": "alice",
        "created": NOON,
    }
    return Job(**plain | fields)


def a_query(**fields: Any) -> ListQuery:
    plain: dict[str, Any] = {
        "since": NOON - timedelta(days=365),
        "until": NOON + timedelta(days=365),
        "visible": EVERYTHING,
    }
    return ListQuery(**plain | fields)


def a_key(key: str = "key-1", *, user_id: str = "user-1", fingerprint: str = "f" * 64) -> IdempotencyKey:
    return IdempotencyKey(user_id, key, fingerprint)
