"""Have the host reboot, at most once for each job and node, and end before it goes."""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

from workflow_templates import locks, own_workflow, sigterm, step_output
from workflow_templates.host import BegunBeforeError, Host, HostError
from workflow_templates.kubernetes_api import Cluster, Object
from workflow_templates.protocol import labels, node_state
from workflow_templates.reboot import events, evict, reboot_note, stage

#: The command is to come back at once and reboot a few seconds later.
_COMMAND_SECONDS = 60
#: For pods that came after the node was found empty: few can, by way of a toleration or of a person's hand.
_LATE_PODS_SECONDS = 60.0
_REBOOTED_ALREADY = 99
#: The host knows its boot id before the kubelet has reported it.
_GUARD = f'test "$(cat /proc/sys/kernel/random/boot_id)" = "$OPSJOB_BOOT_ID" || exit {_REBOOTED_ALREADY}\n'


def main() -> int:
    parser = stage.parser(__doc__)
    evict.add_arguments(parser)
    parser.add_argument("--boot-id", type=stage.noted_boot_id, required=True)
    parser.add_argument("--come-back-seconds", type=float, required=True)
    parser.add_argument("--command", type=Path, default=Path("/etc/opsjob/reboot.sh"))
    arguments = parser.parse_args()
    host = Host(arguments.job, env={"NODE_NAME": arguments.node, "OPSJOB_BOOT_ID": arguments.boot_id})
    cluster = Cluster.in_pod()
    evicted: list[str] = []

    def empty_and_signal() -> str:
        command = arguments.command.read_text(encoding="utf-8")
        empty_again(cluster, evict.eviction(arguments, cluster.now(), _LATE_PODS_SECONDS, evicted))
        return signal(cluster, host, arguments.node, arguments.boot_id, command, arguments.come_back_seconds)

    try:
        with sigterm.raising():
            return stage.end(empty_and_signal)
    except sigterm.StoppedError:
        step_output.write_termination_message(f"stopped while node {arguments.node} was being told to reboot")
        return sigterm.EXIT_STOPPED
    finally:
        arguments.output.write_text(json.dumps(evicted))


def empty_again(cluster: Cluster, late: evict.Eviction) -> None:
    """Pods that came since the node was empty go too. Raises FailedError: a pod does not leave in time."""
    while True:
        try:
            evict.empty(cluster, late)
        except stage.WaitError as reason:
            step_output.log(str(reason))
            continue  # this stage is not repeated, so it waits by itself
        return


def signal(  # noqa: PLR0913, PLR0917 - all that a signal takes
    cluster: Cluster, host: Host, name: str, boot_id: str, command: str, come_back_seconds: float
) -> str:
    """Run the reboot command on the host, unless it ran for this job already, or the node has rebooted since.

    Raises FailedError: the node is not this job's to reboot any more, or the command failed. Whether the node reboots
    all the same is for the next stage to find out.
    """
    node = stage.read(cluster, name)
    if node_state.boot_id(node) != boot_id:
        return f"node {name} has rebooted already"
    refuse_unless_ours(cluster, name, host.job)
    if node_state.is_control_plane(node) and (why := stage.control_plane_unfit(cluster, name)):
        raise stage.FailedError(why)
    events.record(cluster, node, host.job, "RebootBegun", f"is told to reboot, its boot id is {boot_id}")
    first = False
    try:
        # Noted before it is asked for the last time: a clean-up that begins in between sees the note, and waits.
        first = reboot_note.note(cluster, name, host.job, boot_id, stage.heartbeat(cluster, name)[0], come_back_seconds)
        refuse_unless_ours(cluster, name, host.job)
        ran = host.run("reboot", _GUARD + command, "/bin/sh", _COMMAND_SECONDS)
    except BegunBeforeError:
        return f"node {name} was told to reboot before, and is not told twice"
    except (stage.FailedError, locks.LostError, HostError) as fault:
        if first:
            reboot_note.forget(cluster, name, host.job)
        why = f"the reboot command {fault}" if isinstance(fault, HostError) else str(fault)
        events.failed(cluster, name, host.job, f"node {name} could not be told to reboot: {why}")
        raise stage.FailedError(why) from fault
    if ran.exit_code == _REBOOTED_ALREADY:
        return f"node {name} has rebooted already"
    if not ran.succeeded:
        raise stage.FailedError(f"the reboot command {ran.ending}: {ran.last_lines}")
    return f"node {name} is told to reboot"


def refuse_unless_ours(cluster: Cluster, name: str, job: str) -> None:
    """This pod may have been cut off for so long that the node was given to another job.

    Raises FailedError: the job is ending, or the node is not cordoned for it.
    """
    found = own_workflow.read(cluster, job)
    if found is None or _is_ending(found, cluster.now()):
        raise stage.FailedError(f"job {job} is being ended")
    node = stage.read(cluster, name)
    marked = node_state.annotations(node).get(labels.CORDONED_BY) == job
    if not marked or not node_state.is_cordoned(node):
        raise stage.FailedError(f"node {name} is no longer cordoned for job {job}")


def _is_ending(found: Object, now: datetime) -> bool:
    """Stopped, deleted, over or out of time: its clean-up gives the node back, if it has not done so."""
    spec, status = found.get("spec") or {}, found.get("status") or {}
    if spec.get("shutdown") or found["metadata"].get("deletionTimestamp") or status.get("finishedAt"):
        return True
    limit, started = spec.get("activeDeadlineSeconds"), status.get("startedAt")
    return bool(limit and started and now >= datetime.fromisoformat(started) + timedelta(seconds=limit))


if __name__ == "__main__":
    sys.exit(main())
