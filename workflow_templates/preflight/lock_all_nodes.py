"""Lock all planned nodes, or none yet: no other job works on them meanwhile."""

import argparse
import sys

from workflow_templates import lock_queue, locks, own_workflow, pause, sigterm, step_output, until_unfrozen
from workflow_templates.kubernetes_api import Cluster, ClusterError, UnavailableError
from workflow_templates.protocol import exit_codes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    job = parser.parse_args().job
    cluster = Cluster.in_pod()
    try:
        if until_unfrozen.read(cluster):
            with sigterm.raising():
                until_unfrozen.wait(cluster)
        sentence = take_all(cluster, job)
    except (pause.EndedError, locks.HeldError, UnavailableError) as reason:
        step_output.write_termination_message(str(reason))
        return exit_codes.WAITING
    except ClusterError as fault:
        step_output.write_termination_message(str(fault))
        return 1
    step_output.write_termination_message(sentence)
    return 0


def take_all(cluster: Cluster, job: str) -> str:
    """Lock all planned nodes or none, in the order of their names, so that two jobs never wait for each other.

    Raises:
        HeldError: another job has one of them, or has waited for it longer, or the cluster is frozen. This one has none
            then, and has noted that it waits.
    """
    found = own_workflow.read(cluster, job)
    if found is None:
        raise ClusterError(f"job {job} is gone")
    nodes = sorted(own_workflow.planned(found))
    try:
        # Those that another job has come first: of a thousand nodes none is locked in vain.
        for node in (*locks.of_others(cluster, nodes, job), *nodes):
            locks.take(cluster, node, job, asks_freeze=False)
        # Asked once, when the last is locked: a freeze of before then has not let one of them begin.
        locks.refuse_while_frozen(cluster)
    except locks.HeldError:
        for node in locks.held(cluster, job):
            locks.release(cluster, node, job)
        lock_queue.join(cluster, found, nodes)
        raise
    lock_queue.leave(cluster, job)
    return f"{len(nodes)} nodes are locked by job {job}"


if __name__ == "__main__":
    sys.exit(main())
