"""The last step of a reboot job, whatever ended it: nodes go back, but none with a reboot pending.

A host that was told reboots, though the job was stopped a moment later. Until it has, or lives on long after it should
have, it stays cordoned and locked: the next job, and pods, would go down with it.
"""

import argparse
import sys

from workflow_templates import locks, release_nodes, step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, UnavailableError
from workflow_templates.protocol import exit_codes, node_lock
from workflow_templates.reboot import events, reboot_note, stage, wait_for_boot


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--come-back-seconds", type=float, required=True)
    arguments = parser.parse_args()
    try:
        clean_up(Cluster.in_pod(), arguments.job, arguments.come_back_seconds)
    except ClusterError as fault:
        step_output.write_termination_message(f"not every node of job {arguments.job} could be given back: {fault}")
        return exit_codes.WAITING if isinstance(fault, UnavailableError) else exit_codes.FAILED
    return 0


def clean_up(cluster: Cluster, job: str, come_back_seconds: float) -> None:
    """See back what was told to reboot, then put back every cordon and free every lock that the job still has."""
    for node, lock in locks.held(cluster, job).items():
        if noted := node_lock.reboot_note(lock):
            doubt = node_lock.PENDING_SECONDS
            watch = wait_for_boot.Watch(cluster, job, node, noted.boot_id, noted.at, come_back_seconds, doubt)
            watch.why_not = "and nothing is pending any more"
            _see_back(watch)
    release_nodes.restore(cluster, job)
    if not locks.held(cluster, job):
        locks.release_control_plane(cluster, job)


def _see_back(watch: wait_for_boot.Watch) -> None:
    try:
        step_output.log(wait_for_boot.come_back(watch))
    except (stage.FailedError, LookupError) as failure:
        step_output.log(str(failure))
        events.failed(watch.cluster, watch.node, watch.job, str(failure))
    reboot_note.forget(watch.cluster, watch.node, watch.job)


if __name__ == "__main__":
    sys.exit(main())
