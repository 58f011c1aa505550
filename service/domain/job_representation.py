"""A job as the API shows it: the document's fields in its order, then the contract's further ones."""

from typing import Any
from urllib.parse import quote

from service.domain import frozen_nodes, rollout_answer
from service.domain.job import Condition, Job, Named, Plan, PlannedNode, rfc3339
from service.domain.job_types.registry import traits_of
from service.domain.secret_values import masked


def item(job: Job) -> dict[str, Any]:
    """A job as an item of a list."""
    return {
        "jobId": job.job_id,
        "jobName": job.job_name,
        "clusterId": job.cluster_id,
        "workspaceId": job.workspace_id,
        "userId": job.user_id,
        "userName": job.user_name,
        "type": job.type.value,
        "phase": job.phase.value,
        "creationTime": rfc3339(job.created),
        "startTime": rfc3339(job.started),
        "endTime": rfc3339(job.ended),
        "deletionTime": rfc3339(job.deletion_time),
        "timeoutSecond": job.timeout_second,
    }


def detail(job: Job, argo_ui_url: str, jobs_namespace: str) -> dict[str, Any]:
    """A job as GET shows it. `argo_ui_url` is where people reach Argo's UI; empty: there is none."""
    return {
        **item(job),
        "conditions": [condition(one) for one in job.conditions],
        "inputs": [_named(value) for value in job.inputs],
        "outputs": [_named(value) for value in job.outputs],
        "env": masked(job.options.get("env") or {}),
        **traits_of(job.type).shown(job.options),
        **({"retryOf": job.retry_of} if job.retry_of else {}),
        "isTolerateAll": bool(job.options.get("isTolerateAll")),
        "excludedNodes": list(job.options.get("excludedNodes") or ()),
        "ttlSecondsAfterFinished": job.options.get("ttlSecondsAfterFinished") or 0,
        "plan": {**plan_representation(job.plan), "nodes": [planned(job, node) for node in job.plan.nodes]},
        "progress": progress(job.plan),
        **rollout_answer.shown(job),
        # A page about a Workflow that is gone would only say so.
        **({} if job.workflow_gone else {"links": _links(job, argo_ui_url, jobs_namespace)}),
    }


def plan_representation(plan: Plan) -> dict[str, Any]:
    """A plan, as GET and a dry run show it."""
    return {
        "nodes": [_planned(node) for node in plan.nodes],
        "excluded": [{"name": node.name, "reason": node.reason} for node in plan.excluded],
    }


def planned(job: Job, node: PlannedNode) -> dict[str, str]:
    """A planned node of a job, as GET shows it."""
    return {**_planned(node), "message": frozen_nodes.message(job, node)}


def progress(plan: Plan) -> str:
    """How many of the planned nodes are through, like "3/12"."""
    return f"{sum(node.phase.final for node in plan.nodes)}/{len(plan.nodes)}"


def condition(condition: Condition) -> dict[str, str]:
    return {
        "type": condition.type.value,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": rfc3339(condition.at),
    }


def _named(value: Named) -> dict[str, str]:
    return {"name": value.name, "value": value.value}


def _planned(node: PlannedNode) -> dict[str, str]:
    return {
        "name": node.name,
        "phase": node.phase.value,
        "message": node.message,
        "start": rfc3339(node.start),
        "end": rfc3339(node.end),
    }


def _links(job: Job, argo_ui_url: str, jobs_namespace: str) -> dict[str, str]:
    if not argo_ui_url or not job.workflow_uid:
        return {}
    address = f"{argo_ui_url.rstrip('/')}/workflows/{quote(jobs_namespace)}/{quote(job.job_id)}"
    return {"argo": f"{address}?uid={quote(job.workflow_uid)}"}
