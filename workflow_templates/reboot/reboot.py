"""Have the host reboot, at most once for each job and node, and end before it goes."""

import sys
from pathlib import Path

from workflow_templates import say, stop
from workflow_templates.cluster import Cluster
from workflow_templates.host import BegunBeforeError, Host, HostError
from workflow_templates.reboot import events, stage

#: The command is to come back at once and reboot a few seconds later.
_COMMAND_SECONDS = 60
_REBOOTED_ALREADY = 99
#: The host knows its boot id before the kubelet has reported it.
_GUARD = f'test "$(cat /proc/sys/kernel/random/boot_id)" = "$OPSJOB_BOOT_ID" || exit {_REBOOTED_ALREADY}\n'


def main() -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--boot-id", required=True)
    parser.add_argument("--command", type=Path, default=Path("/etc/opsjob/reboot.sh"))
    arguments = parser.parse_args()
    host = Host(arguments.job, env={"NODE_NAME": arguments.node, "OPSJOB_BOOT_ID": arguments.boot_id})
    try:
        with stop.heard():
            command = arguments.command.read_text(encoding="utf-8")
            return stage.end(lambda: signal(Cluster.in_pod(), host, arguments.node, arguments.boot_id, command))
    except stop.StoppedError:
        say.last_word(f"stopped while node {arguments.node} was being told to reboot")
        return stop.EXIT_STOPPED


def signal(cluster: Cluster, host: Host, name: str, boot_id: str, command: str) -> str:
    """Run the reboot command on the host, unless it ran for this job already, or the node has rebooted since.

    Raises FailedError: the command failed. Whether the node reboots all the same is for the next stage to find out.
    """
    node = stage.read(cluster, name)
    if stage.boot_id(node) != boot_id:
        return f"node {name} has rebooted already"
    events.tell(cluster, node, host.job, "RebootBegun", f"is told to reboot, its boot id is {boot_id}")
    try:
        ran = host.run("reboot", _GUARD + command, "/bin/sh", _COMMAND_SECONDS)
    except BegunBeforeError:
        return f"node {name} was told to reboot before, and is not told twice"
    except HostError as fault:
        raise stage.FailedError(f"the reboot command {fault}") from fault
    if ran.exit_code == _REBOOTED_ALREADY:
        return f"node {name} has rebooted already"
    if not ran.succeeded:
        raise stage.FailedError(f"the reboot command {ran.ending}: {ran.last_lines}")
    return f"node {name} is told to reboot"


if __name__ == "__main__":
    sys.exit(main())
