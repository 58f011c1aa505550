"""Submission as one promise: what is accepted runs exactly once, what is refused leaves nothing behind."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog

from service.domain import job_ids, preflight, rollout_plan
from service.domain.audit_line import AuditEntry
from service.domain.cluster_objects import Caller, Node
from service.domain.job import Job, JobType
from service.domain.job_rollout import JobRollout, Steering
from service.domain.job_types.registry import traits_of
from service.domain.phase import created
from service.domain.reach import Reach
from service.domain.request_faults import Fault, FaultCode, NotPermittedError, RefusedError
from service.domain.secret_values import masked
from service.domain.selection import Facts, Selection, select
from service.jobs.order import Order
from service.jobs.permissions import Permissions
from service.jobs.ports import Cluster, IdempotencyKey, Quota, QuotaError, Records, UnavailableError
from service.jobs.preparation import Kind, Work

log = structlog.get_logger()

#: The apiserver's clock is known to the second, and what has passed since it was read likewise.
_SAME_TIME = timedelta(seconds=3)


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
    #: The order's field, as it was sent; empty: it has none, or says nothing.
    wanted_rollout: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one job may ask for."""

    inputs: int = 1_000
    nodes: int = 5_000
    #: Different ones: for each, controllers of six kinds are looked for.
    workloads: int = 50
    #: ttlSecondsAfterFinished; 0: as many as there are.
    ttl_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Turns an order into a job that will run, or into every reason why it cannot."""

    records: Records
    cluster: Cluster
    permissions: Permissions
    cluster_id: str
    workspace_label: str
    #: key=value:Effect of the taint that nodes get which fail a preflight job; empty: none.
    unhealthy_taint: str = ""
    #: Job type → the WorkflowTemplate that runs it; a type without one cannot be run here. `reboot-rollout` is another
    #: of the type reboot.
    templates: Mapping[str, str]
    default_timeout_seconds: int
    kinds: Mapping[JobType, Kind]
    limits: Limits = Limits()
    quota: Quota | None = None
    #: Whether a right in a workspace also reaches nodes that are labelled for none.
    unlabelled_nodes: bool = False

    async def submit(
        self,
        order: Order,
        who: Caller,
        resolved: Resolved,
        key: IdempotencyKey | None,
        entry: AuditEntry | None = None,
    ) -> str:
        """Accept the job that an order was resolved to; returns the jobId.

        Once the record is written the job is accepted: if Kubernetes goes away in that moment, the reconciler
        creates the Workflow when it is back (docs/decisions/0001).

        Raises:
            QuotaError: the caller, or the workspace, has as many unfinished jobs as they may.
            UnavailableError: the store is away, or Kubernetes is where the job has a Secret; nothing was accepted.
        """
        job = self._job(order, who, resolved)
        if resolved.work.secret is not None:
            # It may not be in the record, so it is kept before; of one without a record housekeeping disposes.
            await self.cluster.create_secret(job, resolved.work.secret)
        try:
            await self.records.add(job, key, self.quota, entry)
        except QuotaError:
            if resolved.work.secret is not None:
                await self.cluster.delete_secret(job.job_id)
            raise
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

    async def select(self, order: Order, who: Caller) -> Selection:
        """Where the job would work, in the cluster as it is now; nothing beyond the caller's reach is looked at.

        What the selection is refused for `prepare` raises, once the caller's right to work there is known.

        Raises:
            NotPermittedError: the job would work beyond the caller's reach, or names a workload that is not within it.
            RefusedError: with every fault at once.
        """
        # Of a named workspace it is asked by itself; a workload is looked for in all.
        reach = await self.permissions.reach(who, order.type, fresh=bool(order.values("workload")))
        if order.type not in self.kinds or any(self._not_looked_up(order)):
            raise RefusedError(self.over_limits(order))
        workloads = tuple(dict.fromkeys(order.values("workload")))
        if beyond := reach.beyond(order.inputs):
            raise NotPermittedError(_may_not(order.type, beyond))
        facts = await self._facts(order, reach, workloads)
        absent = [name for name in workloads if not facts.workloads[name]]
        # In a workspace that takes no new job nothing is looked for, and that is what is wrong.
        if absent and not reach.everywhere and reach.contested.isdisjoint(order.values("workspace")):
            # Whether there is one elsewhere is not for this caller to know.
            named = " or ".join(map(repr, absent))
            raise NotPermittedError(
                f"there is no workload {named} in a workspace in which you may create {order.type} jobs{reach.but}"
            )
        return select(
            order.type,
            order.inputs,
            facts,
            reach=reach,
            excluded_nodes=order.options.get("excludedNodes", ()),
            tolerate_all=order.options.get("isTolerateAll", False),
            again=order.retry is not None,
        )

    async def prepare(self, order: Order, who: Caller, selection: Selection) -> Resolved:
        """What the job would do on that selection.

        Before anything of nodes is revealed it is asked whether the caller may work there.

        Raises:
            NotPermittedError: all that a caller learns who may not do this.
            RefusedError: with every fault at once.
        """
        if selection.placed:
            await self.permissions.require(who, order.type, selection)
        work = await self.kinds[order.type].prepare(order, selection)
        planned = (*selection.faults, *self._too_many_nodes(order, selection))
        faults = [*self.over_limits(order), *self._without_template(work), *work.faults, *planned]
        if faults:
            raise RefusedError(faults)
        selection = replace(selection, plan=work.plan) if work.plan else selection
        return Resolved(selection, work, order.options.get("rollout") or {})

    def over_limits(self, order: Order) -> list[Fault]:
        """What is known to be too much, or not to be had here, before anything is looked up."""
        faults = [*self._not_looked_up(order), *rollout_plan.contradictions(order.options)]
        seconds = order.options.get("ttlSecondsAfterFinished") or 0
        if 0 < self.limits.ttl_seconds < seconds:
            message = f"is at most {self.limits.ttl_seconds} here: the record stays after the Workflow is removed"
            faults.append(Fault("ttlSecondsAfterFinished", f"{message}; {seconds} was sent", FaultCode.LIMIT_EXCEEDED))
        return faults

    def _not_looked_up(self, order: Order) -> Iterator[Fault]:
        """Because of which nothing is: the job cannot run here at all, or it would cost too much."""
        if order.type not in self.kinds or order.type not in self.templates:
            value = traits_of(order.type).needed_value
            remedy = f": whoever runs OpsJobs sets the chart's value {value}" if value else ""
            yield Fault("type", f"{order.type} is not installed here{remedy}", FaultCode.NOT_INSTALLED)
        inputs, workloads = len(order.inputs), len(set(order.values("workload")))
        if inputs > self.limits.inputs and not order.retry:
            message = f"are {inputs}, a job has at most {self.limits.inputs}"
            yield Fault("inputs", message, FaultCode.LIMIT_EXCEEDED)
        if workloads > self.limits.workloads:
            message = f"name {workloads} workloads, a job has at most {self.limits.workloads}"
            yield Fault("inputs", message, FaultCode.LIMIT_EXCEEDED)

    def _without_template(self, work: Work) -> Iterator[Fault]:
        if work.template and work.template not in self.templates:
            yield Fault(
                "rollout", f"is not installed here: there is no template {work.template}", FaultCode.NOT_INSTALLED
            )

    def _too_many_nodes(self, order: Order, selection: Selection) -> Iterator[Fault]:
        replica = (order.options.get("resource") or {}).get("replica")
        nodes = len(preflight.narrowed(selection.plan, replica).nodes)
        if nodes > self.limits.nodes:
            message = f"come to {nodes} nodes, a job works on at most {self.limits.nodes}"
            yield Fault("inputs", message, FaultCode.LIMIT_EXCEEDED)

    async def _facts(self, order: Order, reach: Reach, workloads: Sequence[str]) -> Facts:
        # Of a job that touches no node, only what its node inputs name has to be there.
        nodes = None if traits_of(order.type).works_on_nodes else order.values("node")
        named = [await self.cluster.workspace(name) for name in dict.fromkeys(order.values("workspace"))]
        return Facts(
            cluster_id=self.cluster_id,
            workspace_label=self.workspace_label,
            unhealthy_taint=self.unhealthy_taint,
            unlabelled_nodes=self.unlabelled_nodes,
            nodes=await self._nodes(nodes),
            workspaces={found.id: found for found in named if found},
            workloads=await self.cluster.workloads(workloads, reach.searched(order.inputs)) if workloads else {},
        )

    async def _nodes(self, names: Sequence[str] | None) -> Sequence[Node]:
        """Of those that a plan might leave out for their state, with the job that works on them.

        One that is over does not, but for a reboot that it began (docs/decisions/0062).
        """
        nodes = await self.cluster.nodes(names)
        if names is not None or all(node.ready for node in nodes):
            return nodes
        locks = await self.cluster.node_locks()
        marks = (node.worked_on_by for node in nodes)
        over = await self.records.ended(self.cluster_id, {job_id for job_id in (*marks, *locks.values()) if job_id})
        rebooting = await self.cluster.rebooting() if over else frozenset()

        def works(job_id: str, node: Node) -> bool:
            return node.ready or job_id not in over or node.name in rebooting

        def at_work(node: Node) -> str:
            return next((job for job in (node.worked_on_by, locks.get(node.name, "")) if job and works(job, node)), "")

        return [replace(node, worked_on_by=at_work(node)) for node in nodes]

    def _job(self, order: Order, who: Caller, resolved: Resolved) -> Job:
        now = _by(self.cluster.now())
        given = resolved.work.timeout_second if order.timeout_second is None else order.timeout_second
        timeout = self.default_timeout_seconds if given is None else given
        rollout = JobRollout.of(resolved.work.rollout.rollout) if resolved.work.rollout else None
        return Job(
            job_id=job_ids.job_id(order.name),
            job_name=order.name,
            type=order.type,
            cluster_id=self.cluster_id,
            workspace_id=resolved.selection.workspace_id,
            workspace_namespace=resolved.selection.namespace,
            user_id=who.user_id,
            user_name=who.user_name,
            created=now,
            timeout_second=timeout,
            conditions=(created(now, resolved.work.note),),
            inputs=(*order.inputs, *resolved.work.inputs),
            plan=resolved.selection.plan,
            rollout=rollout,
            steering=Steering() if rollout is None and traits_of(order.type).has_rollout else None,
            retry_of=order.retry.job_id if order.retry else "",
            options=_as_json(order.options),
            work=resolved.work.recorded(),
            template=self.templates[resolved.work.template or order.type],
        )


def _by(clock: datetime) -> datetime:
    """This host's time, set by the apiserver's clock where the two differ by more than that knows of fractions.

    Argo's times are compared with a job's creation, and the fractions keep jobs of one second in their order.
    """
    own = datetime.now(UTC)
    ahead = own - clock
    return own if abs(ahead) < _SAME_TIME else own - timedelta(seconds=round(ahead.total_seconds()))


def _may_not(job_type: JobType, where: str) -> str:
    return f"you may not create {job_type} jobs {where}: the right is create on opsjobs.opsjob.io/{job_type}"


def _as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as they are stored and shown: without secrets; decimals were exact as long as they were computed with."""
    kept = {name: float(value) if isinstance(value, Decimal) else value for name, value in options.items()}
    return {**kept, "env": masked(options["env"])} if options.get("env") else kept
