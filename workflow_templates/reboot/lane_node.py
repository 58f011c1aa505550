"""One node of a rollout of reboots: its place in the job's ledger, and what is said of it at its lock."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow_templates import job_ledger, locks, release_nodes, step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, UnavailableError
from workflow_templates.protocol import labels
from workflow_templates.protocol.ledger import State
from workflow_templates.reboot import lane_ends, stage


class LaneNode:
    """A job's node, as the steps of its turn see it."""

    def __init__(self, cluster: Cluster, job: str, name: str, file: Path) -> None:
        rollout = job_ledger.read_rollout(file)
        if rollout is None:
            raise FileNotFoundError(f"job {job} has no {file.name}")
        self.cluster, self.job, self.name = cluster, job, name
        self.planned = len(rollout.nodes)
        self.ledger = job_ledger.JobLedger(cluster, job, rollout, lane_ends.of(cluster, job))

    def is_at(self, at: str, held_up: str = "") -> None:
        """Say at the node lock which stage it is at, and what holds it up."""
        sentence = f"at {at}: {held_up}" if held_up else f"at {at}"
        step_output.log(f"node {self.name} is {sentence}")
        locks.note(self.cluster, self.name, self.job, {labels.STAGE: sentence})

    @contextmanager
    def given_back_on_failure(self) -> Iterator[None]:
        """A node that failed is given back at once, for the job may go on for long; others are not kept from it.

        Where a reboot is pending, or the node is to stay cordoned, it is as after any job: see release_nodes.
        """
        try:
            yield
        except UnavailableError:
            raise  # this step is repeated
        except (stage.FailedError, ClusterError, locks.LostError, LookupError, OSError):
            self._give_back()
            self.ledger.note(self.name, State.FAILED)
            raise

    def _give_back(self) -> None:
        try:
            if lock := locks.own(self.cluster, self.name, self.job):
                release_nodes.give_back(self.cluster, self.name, lock, self.job)
            if not locks.own(self.cluster, self.name, self.job):
                locks.release_control_plane(self.cluster, self.job, self.name)
        except ClusterError as fault:
            step_output.log(f"node {self.name} is given back at the end of the job: {fault}")
