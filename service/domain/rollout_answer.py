"""A rollout as the API shows it: planned by a dry run, and under way by GET (contract: Rollouts)."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.domain.job import Job, rfc3339
from service.domain.job_rollout import JobRollout
from service.domain.rollout_plan import RolloutPlan
from workflow_templates.protocol.rollout import Limits


def planned(plan: RolloutPlan, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the rollout will be; `wanted` is the request's field."""
    rollout = plan.rollout
    names: dict[str, list[str]] = {}
    for node in rollout.nodes:
        if node in rollout.groups:
            names.setdefault(rollout.groups[node], []).append(node)
    return {
        **_limits(rollout, wanted),
        "phases": [
            {
                "phase": number,
                "nodes": list(phase.nodes),
                "soakSeconds": phase.soak_seconds,
                "advance": phase.advance,
            }
            for number, phase in enumerate(rollout.phases, 1)
        ],
        "groups": [{"group": group, "nodes": nodes} for group, nodes in names.items()],
        "outOfService": [{"name": name, "reason": why} for name, why in sorted(plan.out_of_service.items())],
        "warnings": list(plan.warnings),
    }


def shown(job: Job) -> dict[str, Any]:
    """Where the job's rollout stands; empty: it has none."""
    if job.rollout is None:
        return {}
    return {
        "rollout": {
            **_limits(job.rollout, job.options.get("rollout") or {}),
            "paused": job.rollout.paused,
            "phases": _phases(job.rollout, job.plan.names),
        }
    }


def _limits(limits: Limits, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """As numbers of nodes, whatever they were in the request."""
    unavailable = {} if limits.max_unavailable is None else {"maxUnavailable": limits.max_unavailable}
    topology = {"topology": dict(wanted["topology"])} if wanted.get("topology") else {}
    return {
        **unavailable,
        "failureLimit": limits.failure_limit,
        "onFailure": limits.on_failure,
        **topology,
        "atOnce": limits.at_once,
    }


def _phases(rollout: JobRollout, names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "phase": number,
            "nodes": list(nodes),
            "state": phase.state.value,
            "soakSeconds": phase.soak_seconds,
            "advance": phase.advance,
            "start": rfc3339(phase.start),
            "soakStart": rfc3339(phase.soaking),
            "end": rfc3339(phase.end),
        }
        for number, (phase, nodes) in enumerate(zip(rollout.phases, rollout.nodes_of(names), strict=True), 1)
    ]
