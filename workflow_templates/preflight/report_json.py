"""report.json, as docs/schemas/preflight-report.schema.json promises it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from workflow_templates.preflight.check_results import Check, Node


def document(plan: Mapping[str, Any], job: str, created: str, nodes: Sequence[Node]) -> str:
    """`plan` is what the service noted of the job when it was submitted; `created` is RFC 3339."""
    counted = Counter(node.status for node in nodes)
    return json.dumps(
        {
            "version": 1,
            "jobId": job,
            "jobName": plan.get("name", ""),
            "created": created,
            "image": plan.get("image", ""),
            "totals": {status: counted[status] for status in ("pass", "fail", "error", "skip")},
            "nodes": [_node(node) for node in nodes],
        },
        indent=1,
        ensure_ascii=False,
        allow_nan=False,
    )


def _node(node: Node) -> dict[str, Any]:
    return {
        "name": node.name,
        "status": node.status,
        "reason": node.reason,
        "exitCode": node.exit_code,
        "startTime": node.started,
        "endTime": node.finished,
        "seconds": node.seconds,
        "checks": [_check(check) for check in node.checks],
        "lastLines": node.last_lines,
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "status": check.status,
        "value": check.value,
        "unit": check.unit,
        "reason": check.reason,
        "suggestedAction": check.action,
    }
