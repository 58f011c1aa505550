"""Whether a node of an addon job may begin."""

from pathlib import Path

from workflow_templates import job_ledger, pause, step_output
from workflow_templates.addon import ends, failure_limit
from workflow_templates.kubernetes_api import Cluster, ClusterError
from workflow_templates.protocol.ledger import State


class NotBegunError(Exception):
    """Not at all: the job can no longer succeed, or the node is not fit for it."""


class Limits:
    """Whether the node may begin at all: by the job's rollout and its ledger, or else by the ratio alone."""

    def __init__(  # noqa: PLR0913, PLR0917 - the step's arguments
        self, cluster: Cluster, job: str, node: str, planned: int, required: int, file: Path
    ) -> None:
        self._cluster = cluster
        self._job, self._node = job, node
        self._planned, self._required = planned, required
        rollout = job_ledger.read_rollout(file)
        self._ledger = job_ledger.JobLedger(cluster, job, rollout, ends.of(cluster, job)) if rollout else None
        self._begun = False
        self._before: set[str] = set()

    def begin(self) -> None:
        """This waits in the pod for as long as the job is paused, or, with a rollout, for as long as there is no room.

        Raises NotBegunError: too many nodes failed. Raises EndedError: the job ended while it was paused.
        """
        if self._ledger is None:
            pause.wait(self._cluster, self._job, f"node {self._node}")
            self._before = failure_limit.failed_before(self._cluster, self._job)
            self._refuse_if_hopeless()
            return
        try:
            self._ledger.begin(self._node)
            self._begun = True
        except job_ledger.NeverError as reason:
            raise NotBegunError(str(reason)) from reason

    def ask_again(self) -> None:
        """Others went on meanwhile. With a ledger the node has begun, and no other took its place."""
        if self._ledger is None:
            self._refuse_if_hopeless()

    def note(self, state: State) -> None:
        """What became of the node, if it began; where that cannot be noted, the end of its pod says so."""
        if self._ledger is None or not self._begun:
            return
        try:
            self._ledger.note(self._node, state)
        except (ClusterError, LookupError) as fault:
            step_output.log(f"how node {self._node} ended is not noted: {fault}")

    def _refuse_if_hopeless(self) -> None:
        failed = len(failure_limit.failed_so_far(self._cluster, self._job) | self._before)
        if failure_limit.out_of_reach(self._planned, failed, self._required):
            raise NotBegunError(f"{failed} of {self._planned} nodes failed and {self._required} must succeed")
