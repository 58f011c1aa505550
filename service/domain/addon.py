"""What an addon job hands to its Workflow (contract: addon)."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from service.domain import required_nodes
from service.domain.cluster_objects import AddonTemplate
from service.domain.job import Job, Plan
from workflow_templates.protocol.rollout import Rollout

#: The file of the snapshot that its pods read.
SNAPSHOT = "addons.json"


def required(plan: Plan, options: Mapping[str, Any]) -> int:
    """How many of the planned nodes must succeed (contract: availableRatio, default 1.0)."""
    return required_nodes.required(Decimal(str(options.get("availableRatio", "1"))), len(plan.nodes))


def must_succeed(job: Job) -> int:
    """How many nodes must succeed, by its Workflow's parameter: the ratio as shown may have lost digits since."""
    required_then = job.work.get("parameters", {}).get("required")
    return required(job.plan, job.options) if required_then is None else int(required_then)


def parameters(plan: Plan, options: Mapping[str, Any]) -> dict[str, str]:
    """The Workflow's parameters; `options` are the request's, by their API names."""
    return {
        **Rollout.plain(tuple(plan.names)).parameters,
        "security-upgrade": "true" if options.get("securityUpgrade") else "false",
        "batch-count": str(max(1, options.get("batchCount") or 1)),
        "tolerate-all": "true" if options.get("isTolerateAll") else "false",
        "required": str(required(plan, options)),
        "planned": str(len(plan.nodes)),
    }


def snapshot(templates: Sequence[AddonTemplate]) -> str:
    """What will run, as it is now: later changes of a template do not reach a job that was accepted."""
    entries = [
        {
            "name": template.name,
            "description": template.description,
            "script": template.script,
            "check": template.check,
            "required": template.required,
            "gpuVendor": template.gpu_vendor,
            "shell": template.shell,
            "timeoutSecond": template.timeout_second,
        }
        for template in templates
    ]
    return json.dumps({"templates": entries}, ensure_ascii=False)
