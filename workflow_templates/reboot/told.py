"""That a node was told to reboot, when, and how it lived then: a note at its Lease, made before the host hears of it.

A note is there whatever became of the pod that made it: no note, no signal. Whoever gives the node back reads it first.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from workflow_templates import lease
from workflow_templates.cluster import Cluster, ConflictError, Object
from workflow_templates.reboot import stage

NOTE = "opsjob.io/told-to-reboot"


@dataclass(frozen=True, slots=True)
class Told:
    #: By the clock of the Kubernetes API.
    at: datetime
    #: The boot that is to end.
    boot_id: str
    #: The kubelet's last sign of life before that, by the clock of its own host; None: it had given none.
    heartbeat: datetime | None


def note(cluster: Cluster, node: str, job: str, boot_id: str, heartbeat: datetime | None) -> bool:
    """Note it, once for each boot; False: it was noted before, and perhaps told.

    Raises FailedError: the node is not lent to this job any more, and must not be told.
    """
    while True:
        held = lease.own(cluster, node, job)
        if held is None:
            raise stage.FailedError(f"node {node} is no longer lent to job {job}")
        noted = _read(held)
        if noted and noted.boot_id == boot_id:
            return False
        text = {"at": cluster.now().isoformat(), "bootId": boot_id, "heartbeat": heartbeat and heartbeat.isoformat()}
        try:
            cluster.patch(held, lease.path(cluster, node), {"metadata": {"annotations": {NOTE: json.dumps(text)}}})
        except ConflictError:
            continue  # perhaps it was just given back
        return True


def forget(cluster: Cluster, node: str, job: str) -> None:
    """The host did not hear of it after all."""
    while held := lease.own(cluster, node, job):
        try:
            cluster.patch(held, lease.path(cluster, node), {"metadata": {"annotations": {NOTE: None}}})
        except ConflictError:
            continue
        return


def read(cluster: Cluster, node: str, job: str) -> Told | None:
    """None: this job has not told it, or has it no longer."""
    held = lease.own(cluster, node, job)
    return _read(held) if held else None


def _read(held: Object) -> Told | None:
    text = (held["metadata"].get("annotations") or {}).get(NOTE)
    if not text:
        return None
    noted = json.loads(text)
    heartbeat = noted["heartbeat"] and datetime.fromisoformat(noted["heartbeat"])
    return Told(datetime.fromisoformat(noted["at"]), noted["bootId"], heartbeat or None)
