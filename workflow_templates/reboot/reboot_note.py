"""That a node was told to reboot, when, and how it lived then: a note at its lock, made before the command is run.

A note is there whatever became of the pod that made it: no note, no signal. What gives the node back reads it first.
"""

from datetime import datetime

from workflow_templates import locks
from workflow_templates.kubernetes_api import Cluster, ConflictError
from workflow_templates.protocol import labels, node_lock
from workflow_templates.protocol.node_lock import RebootNote


def note(  # noqa: PLR0913, PLR0917 - all that is noted
    cluster: Cluster, node: str, job: str, boot_id: str, heartbeat: datetime | None, come_back_seconds: float
) -> bool:
    """Note it, once for each boot; False: it was noted before, and the command perhaps run.

    Raises:
        LostError: the node is not locked by this job any more, and must not be told.
    """
    while True:
        lock = locks.own(cluster, node, job)
        if lock is None:
            raise locks.LostError(f"node {node} is no longer locked by job {job}")
        noted = node_lock.reboot_note(lock)
        if noted and noted.boot_id == boot_id:
            return False
        made = RebootNote(cluster.now(), boot_id, heartbeat, come_back_seconds)
        change = {"metadata": {"annotations": {labels.TOLD_TO_REBOOT: made.text()}}}
        try:
            cluster.patch(lock, locks.path(cluster, node), change)
        except ConflictError:
            continue  # perhaps it was just given back
        return True


def forget(cluster: Cluster, node: str, job: str) -> None:
    """The command was not run after all, or the reboot is over."""
    if read(cluster, node, job):
        locks.note(cluster, node, job, {labels.TOLD_TO_REBOOT: None})


def read(cluster: Cluster, node: str, job: str) -> RebootNote | None:
    """None: this job has not told it, or has the node no longer."""
    lock = locks.own(cluster, node, job)
    return node_lock.reboot_note(lock) if lock else None
