"""Wait until the node has another boot id and is Ready; nothing else proves a reboot."""

import argparse
import itertools
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from workflow_templates import cordon, workflow
from workflow_templates.cluster import Cluster
from workflow_templates.reboot import events, stage

_LOOK_SECONDS = 1.0
#: A kubelet renews its Lease every 10 s.
_HEARTBEAT_SECONDS = 25.0
#: A command that failed has most likely begun nothing.
_REFUSED_SECONDS = 60.0


@dataclass(slots=True)
class Watch:
    """One node's way down and up again."""

    job: str
    node: str
    old_boot_id: str
    #: When it was told to reboot.
    since: datetime
    come_back_seconds: float
    heartbeats: list[datetime] = field(default_factory=list)

    @property
    def seconds_gone(self) -> float:
        return (datetime.now(UTC) - self.since).total_seconds()

    @property
    def longest_silence(self) -> int | None:
        """Seconds between two signs of life: how long it was down, and up to 10 s more; None: it was back already."""
        gaps = itertools.pairwise(self.heartbeats)
        return max((round((later - earlier).total_seconds()) for earlier, later in gaps), default=None)


def main() -> int:
    arguments = _parser().parse_args()
    cluster = Cluster.in_pod()
    watch = Watch(arguments.job, arguments.node, arguments.boot_id, arguments.since, arguments.come_back_seconds)

    def wait() -> str:
        if command_failed(cluster, watch):
            watch.come_back_seconds = min(watch.come_back_seconds, _REFUSED_SECONDS)
        return come_back(cluster, watch, arguments.output)

    return stage.end(wait)


def command_failed(cluster: Cluster, watch: Watch) -> bool:
    """Whether the command itself said that it failed; a step that was lost says nothing."""
    found = workflow.read(cluster, watch.job) or {}
    return any(
        step.get("templateName") == "reboot"
        and workflow.parameters(step.get("inputs") or {}).get("node") == watch.node
        and (step.get("outputs") or {}).get("exitCode") == str(stage.EXIT_FAILED)
        for step in workflow.steps(found)
    )


def come_back(cluster: Cluster, watch: Watch, output: Path) -> str:
    """See the node come back, and note how long it took. Raises FailedError: it did not.

    A node that went away and is not back, or not Ready, stays cordoned beyond the job.
    """
    try:
        boot_id = _new_boot_id(cluster, watch)
    except stage.FailedError as failure:
        events.tell(cluster, stage.read(cluster, watch.node), watch.job, "RebootFailed", str(failure))
        raise
    down, ready = watch.longest_silence, round(watch.seconds_gone)
    message = f"rebooted and Ready after {ready} s"
    report = {"message": message, "newBootId": boot_id, "secondsDown": down, "secondsToReady": ready}
    output.write_text(json.dumps(report))
    sentence = f"{message}, boot id {watch.old_boot_id} became {boot_id}"
    events.tell(cluster, stage.read(cluster, watch.node), watch.job, "Rebooted", sentence)
    return f"node {watch.node} {sentence}"


def _new_boot_id(cluster: Cluster, watch: Watch) -> str:
    back = False
    while True:
        node = stage.read(cluster, watch.node)
        boot_id = stage.boot_id(node)
        if not _is_another(boot_id, watch):
            _note_heartbeat(cluster, watch)
        elif not back:
            back = True
            if watch.heartbeats:
                watch.heartbeats.append(datetime.now(UTC))
        if back and stage.is_ready(node):
            return boot_id
        if watch.seconds_gone > watch.come_back_seconds:
            _give_up(cluster, watch, boot_id)
        time.sleep(_LOOK_SECONDS)


def _is_another(boot_id: str, watch: Watch) -> bool:
    return boot_id not in ("", watch.old_boot_id)


def _give_up(cluster: Cluster, watch: Watch, boot_id: str) -> None:
    """Raises FailedError, unless the node comes back at this very moment."""
    limit = f"{watch.come_back_seconds:.0f} s"
    if _is_another(boot_id, watch):
        raise _lost(cluster, watch, f"came back with boot id {boot_id}, but is not Ready after {limit}")
    if not _lives(cluster, watch):
        raise _lost(cluster, watch, f"went away and did not come back within {limit}")
    if not _is_another(stage.boot_id(stage.read(cluster, watch.node)), watch):
        raise stage.FailedError(
            f"node {watch.node} was not rebooted: after {limit} its boot id is still {watch.old_boot_id}, "
            "the reboot command did nothing"
        )


def _lost(cluster: Cluster, watch: Watch, what: str) -> stage.FailedError:
    cordon.leave(cluster, watch.node, watch.job, f"the node {what}")
    return stage.FailedError(f"node {watch.node} {what}; it stays cordoned")


def _lives(cluster: Cluster, watch: Watch) -> bool:
    """Whether its kubelet still renews its Lease; told by the change alone, for clocks differ."""
    seen = len(watch.heartbeats)
    end = time.monotonic() + _HEARTBEAT_SECONDS
    while time.monotonic() < end:
        _note_heartbeat(cluster, watch)
        if len(watch.heartbeats) > seen:
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def _note_heartbeat(cluster: Cluster, watch: Watch) -> None:
    lease = cluster.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{watch.node}") or {}
    renewed = (lease.get("spec") or {}).get("renewTime")
    if not renewed:
        return
    at = datetime.fromisoformat(renewed)
    if not watch.heartbeats or at > watch.heartbeats[-1]:
        watch.heartbeats.append(at)


def _parser() -> argparse.ArgumentParser:
    parser = stage.parser(__doc__)
    parser.add_argument("--boot-id", required=True)
    parser.add_argument("--since", type=datetime.fromisoformat, required=True)
    parser.add_argument("--come-back-seconds", type=float, required=True)
    parser.add_argument("--output", type=Path, default=Path("/tmp/outcome.json"))  # noqa: S108 - the pod's own
    return parser


if __name__ == "__main__":
    sys.exit(main())
