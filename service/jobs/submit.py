"""Submission as one promise: what is accepted runs exactly once, what is refused leaves nothing behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import structlog

from service.domain import addon, names
from service.domain.cluster import AddonTemplate, Caller
from service.domain.faults import Fault, RefusedError
from service.domain.job import Job
from service.domain.phase import created
from service.domain.selection import Facts, Selection, select
from service.jobs.addons import addons_of
from service.jobs.order import Order
from service.jobs.ports import Cluster, IdempotencyKey, Records, UnavailableError

log = structlog.get_logger()


class KeyConflictError(Exception):
    """An Idempotency-Key that cannot be honoured; `in_flight` tells 409 from 422."""

    def __init__(self, message: str, *, in_flight: bool) -> None:
        super().__init__(message)
        self.in_flight = in_flight


@dataclass(frozen=True, slots=True)
class Resolved:
    """What an order means in the cluster as it is now: which nodes, and which addons as they are now."""

    selection: Selection
    templates: Sequence[AddonTemplate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Turns an order into a job that will run, or into every reason why it cannot."""

    records: Records
    cluster: Cluster
    cluster_id: str
    workspace_label: str
    #: Job type → the WorkflowTemplate that runs it; a type without one cannot be run here.
    templates: Mapping[str, str]
    default_timeout_seconds: int
    #: Pods in these do not keep a node busy (docs/decisions/0008).
    system_namespaces: Sequence[str]

    async def submit(self, order: Order, who: Caller, resolved: Resolved, key: IdempotencyKey | None) -> str:
        """Accept the job that an order was resolved to; answers the jobId.

        Once the record is written the job is accepted: if Kubernetes goes away in that moment, the reconciler
        creates the Workflow when it is back (docs/decisions/0001).

        Raises:
            UnavailableError: the store is away; nothing was created.
        """
        job = self._job(order, who, resolved)
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

    async def resolve(self, order: Order) -> Resolved:
        """What the order's selectors come to in the cluster as it is now.

        Raises:
            RefusedError: with every fault at once.
        """
        faults = [] if order.type in self.templates else [Fault("type", f"{order.type} is not installed here")]
        facts = Facts(
            cluster_id=self.cluster_id,
            workspace_label=self.workspace_label,
            nodes=await self.cluster.nodes(),
            workspaces={
                found.id: found
                for workspace_id in dict.fromkeys(order.values("workspace"))
                if (found := await self.cluster.workspace(workspace_id))
            },
            workloads={name: await self.cluster.workloads(name) for name in dict.fromkeys(order.values("workload"))},
        )
        selection = select(
            order.type,
            order.inputs,
            facts,
            excluded_nodes=order.options.get("excludedNodes", ()),
            tolerate_all=order.options.get("isTolerateAll", False),
        )
        addons = await addons_of(order, self.cluster)
        if faults := [*faults, *addons.faults, *selection.faults]:
            raise RefusedError(faults)
        return Resolved(selection, addons.templates)

    def _job(self, order: Order, who: Caller, resolved: Resolved) -> Job:
        now = datetime.now(UTC)
        timeout = self.default_timeout_seconds if order.timeout_second is None else order.timeout_second
        work = {
            "parameters": addon.parameters(resolved.selection.plan, order.options)
            | {"system-namespaces": ",".join(self.system_namespaces)},
            "files": {addon.SNAPSHOT: addon.snapshot(resolved.templates)},
        }
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
            conditions=(created(now),),
            inputs=order.inputs,
            plan=resolved.selection.plan,
            options=_as_json(order.options),
            work=work,
            template=self.templates[order.type],
        )


def _as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they are stored and shown; decimals were exact as long as something was computed from them."""
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in options.items()}
