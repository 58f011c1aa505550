"""A job's ledger: a step begins its node there, or waits in its pod until it may (docs/decisions/0047)."""

import random
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

from workflow_templates import own_workflow, step_output, until_unfrozen
from workflow_templates.kubernetes_api import Cluster, ConflictError, Object
from workflow_templates.protocol import labels, ledger, may_begin, node_lock, node_state
from workflow_templates.protocol.ledger import Ledger, State
from workflow_templates.protocol.may_begin import Control, Held, Hold, Seen
from workflow_templates.protocol.rollout import Rollout

#: A place becomes free when a node ends, which is seen soon; what persons do may take longer to be seen.
_LOOK_SECONDS = 2.0
_LOOK_SECONDS_AT_MOST = 10.0
#: Of several steps that want the same version of the ledger each tries again at another time.
_CONFLICT_SECONDS = 0.3

#: What ended, and what of it failed, as the pods and the Workflow of the job show it.
Ends = Callable[[], tuple[AbstractSet[str], AbstractSet[str]]]


class NeverError(Exception):
    """The node will not begin: too many failed; the message says so."""


class JobLedger:
    """The ledger of one job, which only its own steps change.

    Args:
        cluster: The Kubernetes API.
        job: Whose it is.
        rollout: What the job's file says.
        ends: Returns which nodes have ended, and which of them failed; only for those that begin nodes.
    """

    def __init__(
        self, cluster: Cluster, job: str, rollout: Rollout, ends: Ends = lambda: (frozenset(), frozenset())
    ) -> None:
        self._cluster = cluster
        self._job = job
        self._rollout = rollout
        self._ends = ends
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{cluster.namespace}/leases"
        self._path = f"{self._folder}/{ledger.name(job)}"

    def begin(self, node: str) -> None:
        """Return when the node is noted as begun, which may take until a person resumes the job.

        Raises:
            NeverError: too many nodes failed.
            LookupError: the job's Workflow is gone.
        """
        said, pause = "", _LOOK_SECONDS
        while held := self.try_to_begin(node):
            if held.why is Hold.TOO_MANY_FAILED:
                self.note(node, State.SKIPPED)
                raise NeverError(held.sentence)
            if held.sentence != said:
                step_output.log(f"node {node} waits: {held.sentence}")
                said, pause = held.sentence, _LOOK_SECONDS
            time.sleep(pause)
            pause = min(pause * 1.5, _LOOK_SECONDS_AT_MOST)
        step_output.log(f"node {node} begins")

    def try_to_begin(self, node: str) -> Held | None:
        """Note the node as begun; returns why it may not begin now."""
        while True:
            job = self._read_job()
            control = Control.of(node_state.annotations(job))
            found, so_far = self._read()
            if so_far.state(node) is not State.WORKING and (freeze := until_unfrozen.read(self._cluster)):
                return Held(Hold.FROZEN, freeze.sentence)
            # Without room among the job's own nodes the others need not be looked at, which are many.
            if held := may_begin.held(node, so_far, control, self._seen(node)):
                return held
            if self._counts_others:
                seen = self._seen(node, self._out_of_service(so_far))
                if held := may_begin.held(node, so_far, control, seen):
                    return held
            if self._written(found, so_far.noting(node, State.WORKING), job):
                return None

    def state(self, node: str) -> State:
        """What became of a node so far."""
        return self._read()[1].state(node)

    def note(self, node: str, state: State) -> None:
        """Note what became of a node, unless that is noted already."""
        while True:
            found, so_far = self._read()
            if so_far.state(node) is state or self._written(found, so_far.noting(node, state)):
                return

    def held_by_failures(self) -> Held | None:
        """Why the job goes no further after its nodes have ended so far: too many failed.

        A node that is still at work by the ledger had a pod that was lost.
        """
        _, so_far = self._read()
        return may_begin.held_by_failures(so_far, self._control(), Seen(failed=so_far.in_state(State.WORKING)))

    def verdict(self) -> str:
        """Why the job, whose nodes have ended, did not succeed; empty: it did."""
        _, so_far = self._read()
        return may_begin.verdict(so_far, self._control())

    def _read(self) -> tuple[Object | None, Ledger]:
        """The Lease, None where there is none yet, and what it says."""
        found = self._cluster.get(self._path)
        return found, Ledger.of(self._rollout, node_state.annotations(found or {}))

    def _control(self) -> Control:
        return Control.of(node_state.annotations(self._read_job()))

    def _seen(self, node: str, out_of_service: AbstractSet[str] = frozenset()) -> Seen:
        ended, failed = self._ends()
        return Seen(frozenset(out_of_service), frozenset(ended - {node}), frozenset(failed - {node}))

    @property
    def _counts_others(self) -> bool:
        return self._rollout.max_unavailable is not None or self._rollout.max_per_group is not None

    def _out_of_service(self, so_far: Ledger) -> AbstractSet[str]:
        """The planned nodes that are NotReady, gone, or cordoned, but for those that this job cordons for its work."""
        its_own = so_far.in_state(State.NOT_BEGUN, State.WORKING)
        fit = {
            node["metadata"]["name"]
            for node in self._cluster.list("/api/v1/nodes")
            if node_state.is_ready(node) and not self._is_cordoned(node, its_own)
        }
        return so_far.rollout.phase_of.keys() - fit

    def _is_cordoned(self, node: Object, its_own: AbstractSet[str]) -> bool:
        ours = node_state.annotations(node).get(labels.CORDONED_BY) == self._job
        return (node_state.was_cordoned if ours and node["metadata"]["name"] in its_own else node_state.is_cordoned)(
            node
        )

    def _read_job(self) -> Object:
        found = own_workflow.read_metadata(self._cluster, self._job)
        if found is None:
            raise LookupError(f"the Workflow of job {self._job} is gone")
        return found

    def _written(self, found: Object | None, changed: Ledger, job: Object | None = None) -> bool:
        """Whether it could be written before another step changed it."""
        note = {labels.LEDGER: changed.letters}
        try:
            if found:
                self._cluster.patch(found, self._path, {"metadata": {"annotations": note}})
            else:
                self._cluster.create(self._folder, self._new(job or self._read_job(), note))
        except ConflictError:
            time.sleep(random.uniform(0, _CONFLICT_SECONDS))  # noqa: S311 - no secret
            return False
        return True

    def _new(self, job: Object, note: dict[str, str]) -> Object:
        """It goes with the Workflow."""
        lease = node_lock.new(ledger.name(self._job), self._job, self._cluster.now())
        lease["metadata"]["annotations"] = note
        lease["metadata"]["ownerReferences"] = [own_workflow.owner(job)]
        return lease


def read_rollout(path: Path) -> Rollout | None:
    """The job's file; None: it has none, and goes over its nodes as before there were rollouts."""
    return Rollout.of(path.read_text(encoding="utf-8")) if path.exists() else None
