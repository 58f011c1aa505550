"""The last step of a reboot job, whatever ended it: nodes go back, but none with a reboot pending.

A host that was told reboots, though the job was stopped a moment later. Until it has, or lives on long after it should
have, it stays cordoned and lent: the next job, and pods, would go down with it.
"""

import argparse
import sys

from workflow_templates import cordon, lease, restore, say
from workflow_templates.cluster import Cluster, ClusterError, UnavailableError
from workflow_templates.reboot import events, stage, told, wait

#: From the signal until a node that still lives is taken to have nothing pending: ten seconds of the chart's command,
#: and as long as systemd lets units take to stop.
_PENDING_SECONDS = 120.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--come-back-seconds", type=float, required=True)
    arguments = parser.parse_args()
    try:
        clean_up(Cluster.in_pod(), arguments.job, arguments.come_back_seconds)
    except ClusterError as fault:
        say.last_word(f"not every node of job {arguments.job} could be given back: {fault}")
        return stage.EXIT_WAITING if isinstance(fault, UnavailableError) else stage.EXIT_FAILED
    return 0


def clean_up(cluster: Cluster, job: str, come_back_seconds: float) -> None:
    """See back what was told to reboot, then put back every cordon and free every Lease that the job still has."""
    for node in lease.held(cluster, job):
        noted = told.read(cluster, node, job)
        if noted and _is_cordoned_for(cluster, node, job):
            watch = wait.Watch(cluster, job, node, noted.boot_id, noted.at, come_back_seconds, _PENDING_SECONDS)
            watch.why_not = "and nothing is pending any more"
            _see_back(watch)
    restore.restore(cluster, job)


def _see_back(watch: wait.Watch) -> None:
    try:
        say.log(wait.come_back(watch))
    except (stage.FailedError, LookupError) as failure:
        say.log(str(failure))
        events.failed(watch.cluster, watch.node, watch.job, str(failure))


def _is_cordoned_for(cluster: Cluster, node: str, job: str) -> bool:
    """Not once it was given back, nor where it was left cordoned because it did not come back."""
    found = cluster.get(f"/api/v1/nodes/{node}") or {"metadata": {}}
    return (found["metadata"].get("annotations") or {}).get(cordon.CORDONED_BY) == job


if __name__ == "__main__":
    sys.exit(main())
