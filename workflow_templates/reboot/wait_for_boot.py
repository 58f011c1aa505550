"""Wait until the node has another boot id and is Ready; nothing else proves a reboot."""

import argparse
import itertools
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from workflow_templates import cordon, own_workflow
from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.protocol import argo_message, exit_codes, node_state
from workflow_templates.reboot import events, reboot_note, stage

_LOOK_SECONDS = 1.0
#: A kubelet renews its Lease every 10 s, where the length of that Lease (40 s) is Kubernetes' own.
_HEARTBEAT_SECONDS = 25.0
#: A command that failed has most likely begun nothing.
_REFUSED_SECONDS = 60.0
_DID_NOTHING = "the reboot command did nothing"


@dataclass(slots=True)
class Watch:
    """One node's way down and up again."""

    cluster: Cluster
    job: str
    node: str
    old_boot_id: str
    #: When it was told to reboot, by the clock of the Kubernetes API.
    since: datetime
    come_back_seconds: float
    #: After so long without a reboot a node that lives will not reboot any more; never longer than the whole wait.
    doubt_seconds: float
    #: The message then.
    why_not: str = _DID_NOTHING
    #: The kubelet's signs of life, all by the clock of its host: the last before the signal, and those since.
    heartbeats: list[datetime] = field(default_factory=list)
    #: How long its Lease is good.
    lease_seconds: float = 0.0

    @property
    def seconds_gone(self) -> float:
        return (self.cluster.now() - self.since).total_seconds()

    @property
    def longest_silence(self) -> int | None:
        """Seconds between two signs of life: how long it was down, and up to 10 s more; None: no two were seen."""
        gaps = itertools.pairwise(self.heartbeats)
        return max((round((later - earlier).total_seconds()) for earlier, later in gaps), default=None)

    def read(self) -> Object:
        """The Node object; an empty one where it is gone: a cloud may delete it, and its kubelet make another."""
        return self.cluster.get(f"/api/v1/nodes/{self.node}") or {}

    def note_heartbeat(self) -> None:
        at, self.lease_seconds = stage.heartbeat(self.cluster, self.node)
        if at and (not self.heartbeats or at > self.heartbeats[-1]):
            self.heartbeats.append(at)

    def is_another(self, boot_id: str) -> bool:
        return boot_id not in ("", self.old_boot_id)


def main() -> int:
    arguments = parser().parse_args()
    cluster = Cluster.in_pod()
    return stage.run(cluster, arguments, lambda: wait(cluster, arguments))


def wait(cluster: Cluster, arguments: argparse.Namespace) -> str:
    """See the node of the step's arguments back. Raises FailedError: it was not told, or did not come back."""
    watch = begin(cluster, arguments.job, arguments.node, arguments.boot_id, arguments.come_back_seconds)
    return come_back(watch, arguments.output) if watch else _rebooted_untold(cluster, arguments)


def begin(cluster: Cluster, job: str, node: str, boot_id: str, come_back_seconds: float) -> Watch | None:
    """What is to be waited for; None: the host was not told, and the node has rebooted all the same.

    Raises FailedError: it was not told. Its cordon and lock go back as after any failure: nothing is pending.
    """
    noted = reboot_note.read(cluster, node, job)
    step = _signalling(cluster, job, node)
    sentence = argo_message.own_sentence(str(step.get("message") or ""))
    if noted is None or noted.boot_id != boot_id:
        if node_state.boot_id(stage.read(cluster, node)) not in ("", boot_id):
            return None
        raise stage.FailedError(f"node {node} could not be told to reboot: {sentence or 'its step left no reason'}")
    watch = Watch(cluster, job, node, boot_id, noted.at, come_back_seconds, come_back_seconds)
    watch.heartbeats = [noted.heartbeat] if noted.heartbeat else []
    if (step.get("outputs") or {}).get("exitCode") == str(exit_codes.FAILED):
        # A step that was lost says nothing of the command; this one said that it failed.
        watch.doubt_seconds, watch.why_not = _REFUSED_SECONDS, sentence or "the reboot command failed"
    return watch


def come_back(watch: Watch, output: Path | None = None) -> str:
    """See the node come back, and note how long it took. Raises FailedError: it did not.

    A node that went away and is not back, or not Ready, stays cordoned beyond the job.
    """
    boot_id = _new_boot_id(watch)
    down, ready = watch.longest_silence, round(watch.seconds_gone)
    message = f"rebooted and Ready after {ready} s"
    _report(output, message=message, newBootId=boot_id, secondsDown=down, secondsToReady=ready)
    return _record(watch.cluster, watch.node, watch.job, f"{message}, boot id {watch.old_boot_id} became {boot_id}")


def _rebooted_untold(cluster: Cluster, arguments: argparse.Namespace) -> str:
    """It crashed, or a person rebooted it, just before: what was wanted of it, but since when is not known."""
    limit = arguments.come_back_seconds
    watch = Watch(cluster, arguments.job, arguments.node, arguments.boot_id, cluster.now(), limit, limit)
    boot_id = _new_boot_id(watch)
    _report(arguments.output, message="rebooted by itself, and Ready", newBootId=boot_id)
    return _record(cluster, watch.node, watch.job, f"rebooted before it was told to, boot id {boot_id}, and is Ready")


def _signalling(cluster: Cluster, job: str, node: str) -> Object:
    """Argo's entry of the step that told this node to reboot."""
    found = own_workflow.read(cluster, job) or {}
    ours = (
        step
        for step in own_workflow.steps(found)
        if step.get("templateName") == "reboot" and own_workflow.node_of(step) == node
    )
    return next(ours, {})


def _new_boot_id(watch: Watch) -> str:
    while True:
        node = watch.read()
        watch.note_heartbeat()
        boot_id = node_state.boot_id(node)
        if watch.is_another(boot_id) and node_state.is_ready(node):
            return boot_id
        _perhaps_give_up(watch, boot_id)
        time.sleep(_LOOK_SECONDS)


def _perhaps_give_up(watch: Watch, boot_id: str) -> None:
    """Raises FailedError, unless there is time left, or the node comes back at this very moment."""
    late = watch.seconds_gone > watch.come_back_seconds
    limit = f"{watch.come_back_seconds:.0f} s"
    if watch.is_another(boot_id):
        if late:
            raise _lost(watch, f"came back with boot id {boot_id}, but is not Ready after {limit}")
        return
    if not late and watch.seconds_gone <= watch.doubt_seconds:
        return
    if not _lives(watch):
        if late:
            gone = "" if watch.read() else ", nor did its Node object, which is gone from the cluster"
            raise _lost(watch, f"went away and did not come back within {limit}{gone}")
        watch.doubt_seconds = watch.come_back_seconds  # it went down, whatever was reported
    elif not watch.is_another(node_state.boot_id(watch.read())):
        waited = min(watch.doubt_seconds, watch.come_back_seconds)
        raise stage.FailedError(
            f"node {watch.node} was not rebooted: after {waited:.0f} s its boot id is still {watch.old_boot_id}, "
            f"{watch.why_not}"
        )


def _lost(watch: Watch, what: str) -> stage.FailedError:
    left = cordon.leave(watch.cluster, watch.node, watch.job, f"the node {what}")
    reboot_note.forget(watch.cluster, watch.node, watch.job)  # that is the verdict: the clean-up waits for nothing
    return stage.FailedError(f"node {watch.node} {what}" + ("; it stays cordoned" if left else ""))


def _lives(watch: Watch) -> bool:
    """Whether its kubelet still renews its Lease; known by the change alone, for clocks differ."""
    watch.note_heartbeat()
    last = watch.heartbeats[-1:]
    end = time.monotonic() + max(_HEARTBEAT_SECONDS, watch.lease_seconds)
    while time.monotonic() < end:
        watch.note_heartbeat()
        if watch.heartbeats[-1:] != last:
            return True
        time.sleep(_LOOK_SECONDS)
    return False


def _report(output: Path | None, **content: object) -> None:
    if output:
        output.write_text(json.dumps(content))


def _record(cluster: Cluster, node: str, job: str, sentence: str) -> str:
    events.record(cluster, stage.read(cluster, node), job, "Rebooted", sentence)
    return f"node {node} {sentence}"


def parser() -> argparse.ArgumentParser:
    """The step's arguments."""
    arguments = stage.parser(__doc__)
    arguments.add_argument("--boot-id", type=stage.noted_boot_id, required=True)
    arguments.add_argument("--come-back-seconds", type=float, required=True)
    arguments.add_argument("--output", type=Path, default=Path("/tmp/outcome.json"))  # noqa: S108 - the pod's own
    return arguments


if __name__ == "__main__":
    sys.exit(main())
