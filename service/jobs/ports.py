"""What the use cases need from the outside, as interfaces. Adapters in service/kube and service/records fill them."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from service.domain.audit_line import AuditEntry
from service.domain.cluster_objects import AddonTemplate, Caller, Node, NodeTemplate, Pod, Workload, Workspace
from service.domain.job import Job
from service.domain.list_query import ListQuery, Page
from service.domain.rollout_progress import StepNotes
from service.domain.step_pod import StepPods
from service.jobs.audit_trail import AuditTrail
from service.jobs.monitoring import MonitoredCluster, Scrapers
from service.jobs.node_events import EventWriter
from service.jobs.notification_queue import NotificationQueue
from service.jobs.record_retention import RecordRetention
from service.jobs.record_views import RecordViews
from workflow_templates.protocol.freeze import Freeze


class UnavailableError(Exception):
    """A dependency (Kubernetes, the store) does not answer: 503, nothing was done. The message names which one."""


class RefusedByClusterError(UnavailableError):
    """Kubernetes refuses an object (a right, a quota, an admission rule): asking again helps once that has changed."""


class TooFarBehindError(Exception):
    """Who follows a log did not take what was written: it is to come again, and goes on where it was."""


class GoneFromNodeError(Exception):
    """A pod, or the log of its container, is not there any more."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's Idempotency-Key with the fingerprint (sha256 hex) of the body it came with."""

    user_id: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What became of a claimed key: exactly one of these is set, or none (the key is ours: go on)."""

    job_id: str | None = None  # done before: answer this one
    other_body: bool = False  # 422
    in_flight: bool = False  # 409


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How many unfinished jobs there may be at a time; 0: any number."""

    per_caller: int = 0
    per_workspace: int = 0


class QuotaError(Exception):
    """So many jobs of the caller, or in the workspace, are unfinished that no new one is accepted."""


class Records(RecordViews, RecordRetention, AuditTrail, NotificationQueue, Protocol):
    """The store. Every method raises UnavailableError when the store does not answer."""

    async def ping(self) -> None: ...

    async def claim(self, key: IdempotencyKey, now: datetime) -> Claim:
        """Claim a key for 24 h. A claim that was neither completed nor released within 60 s may be taken over."""
        ...

    async def release(self, key: IdempotencyKey) -> None:
        """Give a claimed key back: the request was refused and may be sent again."""
        ...

    async def add(
        self,
        job: Job,
        key: IdempotencyKey | None = None,
        quota: Quota | None = None,
        entry: AuditEntry | None = None,
    ) -> None:
        """Write a new job, complete its key, and note who created it, in one transaction.

        Raises:
            QuotaError: there are as many unfinished jobs as there may be, those written at the same moment counted.
        """
        ...

    async def namespace_of(self, cluster_id: str, workspace_id: str) -> str:
        """The namespace that a workspace had when its latest job was accepted; empty: there is none on record."""
        ...

    async def get(self, job_id: str, *, texts: bool = True) -> Job | None:
        """The record; without `texts` its long texts (files, entryPoint) are not read; something stands for them."""
        ...

    async def change(self, job_id: str, change: Callable[[Job], Job], entry: AuditEntry | None = None) -> Job | None:
        """Read, change and write one job in one transaction with the row locked; returns it as written.

        Its long texts are not read, as in `get` without `texts`.
        `change` answers the same object when there is nothing to write. None: there is no such job.
        `entry`: who changes it; kept where anything was changed.
        """
        ...

    async def page(self, query: ListQuery) -> Page: ...

    async def unfinished(self, cluster_id: str) -> Sequence[str]:
        """Ids of that cluster's jobs whose Workflow is not known to be gone, oldest first."""
        ...

    async def unsettled(self, cluster_id: str) -> Sequence[str]:
        """Ids of that cluster's jobs that ask for something in the cluster that was not seen done.

        That is: workflow_gone is false, and no Workflow was seen yet (workflow_uid empty), or Kubernetes refuses
        what the job needs, or a stop is requested and the phase is not final, or the job is hidden, or its Workflow
        was not seen to know what persons said of its rollout.
        """
        ...

    async def ended(self, cluster_id: str, job_ids: Collection[str]) -> frozenset[str]:
        """Those of that cluster's jobs whose phase is final."""
        ...


@dataclass(frozen=True, slots=True)
class WorkflowEvent:
    """Something happened to a Workflow. `name` None: a full relist ended; `seen` names all that exist."""

    name: str | None
    uid: str = ""
    resource_version: str = ""
    deleted: bool = False
    listed: bool = False  # it stands in a list and need not have changed
    seen: frozenset[str] = frozenset()


class Cluster(MonitoredCluster, EventWriter, Protocol):
    """Kubernetes. Every method raises UnavailableError when the apiserver does not answer."""

    def now(self) -> datetime:
        """The time by the apiserver's clock: what is compared with a time that Kubernetes or Argo wrote."""
        ...

    async def ping(self) -> None: ...

    async def nodes(self, names: Collection[str] | None = None) -> Sequence[Node]:
        """The nodes of those names that there are; None: all."""
        ...

    async def recent_nodes(self) -> Sequence[Node]:
        """Every node by name, as they were some seconds ago at most."""
        ...

    async def node_locks(self) -> Mapping[str, str]:
        """Node name → jobId of every node lock, as they were some seconds ago at most."""
        ...

    async def rebooting(self) -> frozenset[str]:
        """The nodes that a job, over or not, told to reboot and that may yet come back; perhaps some that are back."""
        ...

    async def workspace(self, workspace_id: str) -> Workspace | None: ...

    async def workspaces(self, *, fresh: bool = False) -> Mapping[str, Workspace]:
        """Every workspace by its id, as they were a few seconds ago at most; `fresh`: as they are."""
        ...

    async def workloads(self, names: Iterable[str], within: Mapping[str, str]) -> Mapping[str, Sequence[Workload]]:
        """Every workload of each name (contract: workload) in these workspaces: id → namespace."""
        ...

    async def pod(self, namespace: str, name: str) -> Pod | None: ...

    async def addon_template(self, name: str) -> AddonTemplate | None: ...

    async def node_template(self, name: str) -> Sequence[str] | None:
        """The names of a NodeTemplate's addon templates, in order; None: there is no such NodeTemplate."""
        ...

    async def addon_templates(self) -> Sequence[AddonTemplate]:
        """All of them, as they were a few seconds ago at most."""
        ...

    async def node_templates(self) -> Sequence[NodeTemplate]:
        """All of them, as they were a few seconds ago at most."""
        ...

    async def create_workflow(self, job: Job) -> None:
        """Create the job's Workflow and its files (ConfigMap owned by it); what exists already is success.

        Raises:
            RefusedByClusterError: in Kubernetes' own words. A Workflow of that name that is not this job's is none.
        """
        ...

    async def create_secret(self, job: Job, values: Mapping[str, str]) -> None:
        """Keep a job's environment in a Secret, which `create_workflow` hands over to the Workflow."""
        ...

    async def unowned_secrets(self, older_than_seconds: int) -> Sequence[str]:
        """The ids of jobs whose Secret no Workflow has come to own."""
        ...

    async def delete_secret(self, job_id: str) -> None:
        """Absent: nothing."""
        ...

    async def jobs_with_checks(self) -> Sequence[str]:
        """The ids of jobs that have something in the namespace of the checks."""
        ...

    async def delete_checks(self, job_id: str) -> None:
        """All that a job has in the namespace of the checks: its pods, its environment. Absent: nothing."""

    async def workflow(self, job_id: str) -> Mapping[str, Any] | None:
        """The Workflow object with status.nodes decoded; None: there is none."""
        ...

    async def step_notes(self, job_id: str) -> StepNotes:
        """What the steps of a job noted at Leases that carry its id, and nothing of what is out of service."""
        ...

    async def out_of_service(self, job_id: str) -> frozenset[str]:
        """The nodes that are NotReady, or cordoned by another than that job; some seconds old at most."""
        ...

    async def freeze(self) -> Freeze | None:
        """The freeze of the cluster; None: there is none. A second old at most, or as this replica has just set it."""
        ...

    async def set_freeze(self, freeze: Freeze) -> None:
        """Freeze the cluster. Where it is frozen already, who and why are replaced, and since when stays."""
        ...

    async def lift_freeze(self) -> None:
        """Let nodes begin again. Not frozen: nothing."""
        ...

    async def steer_workflow(self, job_id: str, annotations: Mapping[str, str | None]) -> None:
        """Have the Workflow say this of its rollout; None takes an annotation off. Absent: nothing."""
        ...

    async def stop_workflow(self, job_id: str, *, by: str) -> None:
        """shutdown: Stop (Terminate where it has not started), and end a suspension. Absent: nothing."""
        ...

    async def time_out_workflow(self, job_id: str) -> None:
        """End a suspended Workflow whose timeout has passed, which Argo does not do. Absent or ended: nothing."""
        ...

    async def remind_argo(self, job_id: str, now: datetime) -> None:
        """Change nothing of the Workflow but the time at which this was asked for: Argo looks at what changed."""
        ...

    async def delete_workflow(self, job_id: str) -> None:
        """Kubernetes delete; the finalizer keeps it until `remove_finalizer`."""
        ...

    async def remove_finalizer(self, job_id: str) -> None:
        """Take our finalizer off: the last state is recorded."""
        ...

    def watch_workflows(self) -> AsyncIterator[WorkflowEvent]:
        """List, then watch, for ever: bookmarks, both timeouts, relist on 410, periodic resync, backoff."""
        ...

    async def holders(self) -> Mapping[str, str]:
        """Node name → jobId of every node lock and of every cordon mark (a node may stand for both)."""
        ...

    async def give_back_node(self, node: str, job_id: str) -> str:
        """Put the cordon of this job, which is over, back to what it was and free the node's lock.

        Returns why it stays locked for now, because the job's work there goes on; empty: it is free.
        """
        ...

    async def leases(self) -> Mapping[str, str]:
        """Lease name → jobId of whatever only one job at a time has: node locks, a reboot's turn, an export's tag."""
        ...

    async def free_lease(self, name: str, job_id: str) -> None:
        """Free a Lease that this job, which is over, still has; a node lock as `give_back_node` does."""
        ...

    async def end_stuck_pods(self, not_ready_seconds: int) -> Mapping[str, str]:
        """End step pods on nodes that were NotReady that long, and those that did not start in time; pod → why.

        Argo then goes on, also where it waits for the report of a step whose pod has ended, or is gone, without one.
        """
        ...


class StepOutput(Protocol):
    """What a job's steps wrote, and write. Every method raises UnavailableError when Kubernetes does not answer."""

    def now(self) -> datetime:
        """The time by the apiserver's clock."""
        ...

    async def step_pods(self, job_id: str) -> StepPods:
        """The pods of the job's steps, as they were a few seconds ago at most; none of a step that reads node logs."""
        ...

    def log(self, pod: str, *, follow: bool, since: str = "", tail: int | None = None) -> AsyncGenerator[bytes, None]:
        """What the container main of a step's pod wrote, each line behind its time, in pieces of any size.

        `since`: in whole seconds of RFC 3339. `follow`: also what it writes yet, until it has ended or the node is
        silent.

        Raises:
            GoneFromNodeError: the pod or its log is gone.
        """
        ...

    async def secret_values(self, job_id: str) -> Mapping[str, str] | None:
        """The values of the job's Secret by their names; None: it has none any more."""
        ...


class Reviews(Scrapers, Protocol):
    """Who a caller is and what they may do: TokenReview and SubjectAccessReview, cached for seconds."""

    async def caller(self, token: str) -> Caller | None: ...

    async def may(self, caller: Caller, verb: str, job_type: str, namespace: str | None) -> bool:
        """`verb` on opsjobs.opsjob.io/<job_type> in that namespace (None: cluster-wide)."""
        ...

    async def granted(
        self, caller: Caller, verb: str, job_types: Iterable[str], namespaces: Iterable[str]
    ) -> frozenset[tuple[str, str | None]]:
        """Where the caller may `verb` which of these types: (job type, namespace) pairs.

        A type that is granted cluster-wide stands there once, with None, and not for each namespace.
        """
        ...

    async def may_get(self, caller: Caller, namespace: str, resource: str) -> bool:
        """The caller's own right to `get` core pods or pods/log in that namespace (contract: dumplog, exportimage)."""
        ...

    async def may_freeze(self, caller: Caller) -> bool:
        """`update` on freeze.opsjob.io, cluster-wide."""
        ...

    async def may_list_audit(self, caller: Caller) -> bool:
        """`list` on audit.opsjob.io, cluster-wide."""
        ...

    async def may_get_templates(self, caller: Caller) -> bool:
        """The caller's own right to `get` every AddonTemplate, and so the text of its scripts."""
        ...

    async def readable_nodes(self, caller: Caller, nodes: Iterable[str]) -> frozenset[str]:
        """Those of the nodes whose own logs the caller may read themselves: `get` on nodes/log."""
        ...


class Leader(Protocol):
    """One writer among several replicas, by a Kubernetes Lease."""

    async def lead(self, work: Callable[[], Any]) -> None:
        """For ever: wait for the Lease, run `work()` (a coroutine function) while it is ours, cancel it when lost."""
        ...
