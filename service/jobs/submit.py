"""Submission as one promise: what is accepted runs exactly once, what is refused leaves nothing behind."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import structlog

from service.domain import names, preflight
from service.domain.cluster import Caller
from service.domain.faults import Fault, RefusedError
from service.domain.job import Job, JobType
from service.domain.phase import created
from service.domain.secrets import masked
from service.domain.selection import Facts, Selection, select
from service.jobs.order import Order
from service.jobs.ports import Cluster, IdempotencyKey, Records, UnavailableError
from service.jobs.work import Kind, Work

log = structlog.get_logger()

#: The chart value without which a type is not installed.
_NEEDED_VALUES = {JobType.DUMPLOG: "objectStore", JobType.PREFLIGHT: "objectStore"}


#: Raises where the caller has no right to such a job on that selection.
Permit = Callable[[Selection], Awaitable[None]]


class KeyConflictError(Exception):
    """An Idempotency-Key that cannot be honoured; `in_flight` tells 409 from 422."""

    def __init__(self, message: str, *, in_flight: bool) -> None:
        super().__init__(message)
        self.in_flight = in_flight


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an order means in the cluster as it is now: which nodes, and what is done there."""

    selection: Selection
    work: Work


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one job may ask for."""

    inputs: int = 1_000
    nodes: int = 5_000
    #: Different ones: for each, the pods of every workspace are looked through.
    workloads: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Turns an order into a job that will run, or into every reason why it cannot."""

    records: Records
    cluster: Cluster
    cluster_id: str
    workspace_label: str
    #: key=value:Effect of the taint that nodes get which fail a preflight job; empty: none.
    unhealthy_taint: str = ""
    #: Job type → the WorkflowTemplate that runs it; a type without one cannot be run here.
    templates: Mapping[str, str]
    default_timeout_seconds: int
    kinds: Mapping[JobType, Kind]
    limits: Limits = Limits()

    async def submit(self, order: Order, who: Caller, resolved: Resolved, key: IdempotencyKey | None) -> str:
        """Accept the job that an order was resolved to; answers the jobId.

        Once the record is written the job is accepted: if Kubernetes goes away in that moment, the reconciler
        creates the Workflow when it is back (docs/decisions/0001).

        Raises:
            UnavailableError: the store is away, or Kubernetes is where the job has a Secret; nothing was accepted.
        """
        job = self._job(order, who, resolved)
        if resolved.work.secret is not None:
            # It may not be in the record, so it is kept before; of one without a record the keeper disposes.
            await self.cluster.create_secret(job, resolved.work.secret)
        await self.records.add(job, key)
        try:
            await self.cluster.create_workflow(job)
        except UnavailableError as error:
            log.warning("accepted; the Workflow will be created later", job_id=job.job_id, reason=str(error))
        log.info("job accepted", job_id=job.job_id, type=job.type, user=who.user_name, nodes=list(job.plan.names))
        return job.job_id

    async def claim(self, key: IdempotencyKey) -> str | None:
        """The job that this key already stands for; None: the key is now ours.

        Raises:
            KeyConflictError: the key came with another body, or its first request is still under way.
        """
        claim = await self.records.claim(key, datetime.now(UTC))
        if claim.other_body:
            raise KeyConflictError("this Idempotency-Key was used with another body", in_flight=False)
        if claim.in_flight:
            raise KeyConflictError("the first request with this Idempotency-Key is still under way", in_flight=True)
        return claim.job_id

    async def resolve(self, order: Order, permit: Permit) -> Resolved:
        """What the order's selectors come to in the cluster as it is now.

        `permit` is asked as soon as it is known where the job would work, before anything there is looked at: what
        it raises is all that somebody learns who may not do this.

        Raises:
            RefusedError: with every fault at once.
        """
        kind = self.kinds.get(order.type)
        if kind is None or order.type not in self.templates:
            value = _NEEDED_VALUES.get(order.type)
            remedy = f": whoever runs OpsJobs sets the chart's value {value}" if value else ""
            raise RefusedError([Fault("type", f"{order.type} is not installed here{remedy}")])
        if len(order.inputs) > self.limits.inputs:
            # Each is looked up, so this is said before any is.
            raise RefusedError([Fault("inputs", f"are {len(order.inputs)}, a job has at most {self.limits.inputs}")])
        workloads = tuple(dict.fromkeys(order.values("workload")))
        if len(workloads) > self.limits.workloads:
            message = f"name {len(workloads)} workloads, a job has at most {self.limits.workloads}"
            raise RefusedError([Fault("inputs", message)])
        facts = Facts(
            cluster_id=self.cluster_id,
            workspace_label=self.workspace_label,
            unhealthy_taint=self.unhealthy_taint,
            nodes=await self.cluster.nodes(),
            workspaces={
                found.id: found
                for workspace_id in dict.fromkeys(order.values("workspace"))
                if (found := await self.cluster.workspace(workspace_id))
            },
            workloads={name: await self.cluster.workloads(name) for name in workloads},
        )
        selection = select(
            order.type,
            order.inputs,
            facts,
            excluded_nodes=order.options.get("excludedNodes", ()),
            tolerate_all=order.options.get("isTolerateAll", False),
        )
        if selection.placed:
            await permit(selection)
        asked = preflight.narrowed(selection.plan, (order.options.get("resource") or {}).get("replica")).nodes
        if len(asked) > self.limits.nodes:
            message = f"come to {len(asked)} nodes, a job works on at most {self.limits.nodes}"
            raise RefusedError([Fault("inputs", message)])
        work = await kind.prepare(order, selection)
        if faults := [*work.faults, *selection.faults]:
            raise RefusedError(faults)
        return Resolved(replace(selection, plan=work.plan) if work.plan else selection, work)

    def _job(self, order: Order, who: Caller, resolved: Resolved) -> Job:
        now = datetime.now(UTC)
        timeout = self.default_timeout_seconds if order.timeout_second is None else order.timeout_second
        return Job(
            job_id=names.job_id(order.name),
            job_name=order.name,
            type=order.type,
            cluster_id=self.cluster_id,
            workspace_id=resolved.selection.workspace_id,
            user_id=who.user_id,
            user_name=who.user_name,
            created=now,
            timeout_second=timeout,
            conditions=(created(now, resolved.work.note),),
            inputs=(*order.inputs, *resolved.work.inputs),
            plan=resolved.selection.plan,
            options=_as_json(order.options),
            work=resolved.work.recorded(),
            template=self.templates[order.type],
        )


def _as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they are stored and shown: without secrets; decimals were exact as long as they were computed with."""
    kept = {name: float(value) if isinstance(value, Decimal) else value for name, value in options.items()}
    return {**kept, "env": masked(options["env"])} if options.get("env") else kept
