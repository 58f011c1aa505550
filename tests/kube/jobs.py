import secrets
from datetime import UTC, datetime
from typing import Any

from service.domain.job import Job, JobType


def a_job(template: str, **changes: Any) -> Job:
    """A new addon job under a name of its own."""
    fields: dict[str, Any] = {
        # Hundreds of them live side by side in one run: of 24 bits, two would be the same in one run of a hundred.
        "job_id": f"kubetest-{secrets.token_hex(8)}",
        "job_name": "Kubernetes adapter's test",
        "type": JobType.ADDON,
        "cluster_id": "default",
        "user_id": "u-1",
        "user_name": "alice",
        "created": datetime.now(UTC),
        "work": {"parameters": {"nodes": "[]"}, "files": {"addons.json": '{"templates": []}'}},
        "template": template,
    }
    return Job(**{**fields, **changes})
