"""Lock all planned nodes, or none yet: no other job works on them meanwhile."""

import argparse
import sys

from workflow_templates import held_back, lock_queue, locks, own_workflow, sigterm, step_output, until_unfrozen
from workflow_templates.kubernetes_api import Cluster, ClusterError, UnavailableError
from workflow_templates.protocol import exit_codes, node_state


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--lost-seconds", type=int, required=True, help="so long a node may be NotReady")
    arguments = parser.parse_args()
    job = arguments.job
    cluster = Cluster.in_pod()
    try:
        if until_unfrozen.read(cluster):
            with sigterm.raising():
                until_unfrozen.wait(cluster, f"job {job}")
        sentence = take_all(cluster, job, arguments.lost_seconds)
    except (held_back.EndedError, locks.HeldError, UnavailableError) as reason:
        step_output.write_termination_message(str(reason))
        return exit_codes.WAITING
    except ClusterError as fault:
        step_output.write_termination_message(str(fault))
        return 1
    step_output.write_termination_message(sentence)
    return 0


def take_all(cluster: Cluster, job: str, lost_seconds: float) -> str:
    """Lock all planned nodes or none, in the order of their names, so that two jobs never wait for each other.

    A node that a job which is over has left locked and that was NotReady for so long is not waited for: its check finds
    that it is not locked by this job, and does not begin (docs/decisions/0062).

    Returns:
        How many nodes are locked, and which are given up, as a sentence.

    Raises:
        HeldError: another job has one of them, or has waited for it longer, or the cluster is frozen. This one has none
            then, and has noted that it waits.
    """
    found = own_workflow.read(cluster, job)
    if found is None:
        raise ClusterError(f"job {job} is gone")
    nodes = sorted(own_workflow.planned(found))
    others = locks.of_others(cluster, nodes, job)
    given_up = []
    try:
        # Those that another job has come first: of a thousand nodes none is locked in vain.
        for node in (*others, *(node for node in nodes if node not in set(others))):
            try:
                locks.take(cluster, node, job, asks_freeze=False)
            except locks.WorkLeftError:
                if not _is_lost(cluster, node, lost_seconds):
                    raise
                given_up.append(node)
        # Asked once, when the last is locked: a freeze of before then has not let one of them begin.
        locks.refuse_while_frozen(cluster)
    except locks.HeldError:
        for node in locks.held(cluster, job):
            locks.release(cluster, node, job)
        lock_queue.join(cluster, found, nodes)
        raise
    lock_queue.leave(cluster, job)
    locked = f"{len(nodes) - len(given_up)} nodes are locked by job {job}"
    return f"{locked}; NotReady, and left to a job that is over: {', '.join(given_up)}" if given_up else locked


def _is_lost(cluster: Cluster, node: str, seconds: float) -> bool:
    found = cluster.get(f"/api/v1/nodes/{node}")
    since = node_state.not_ready_since(found) if found else None
    return since is not None and (cluster.now() - since).total_seconds() >= seconds


if __name__ == "__main__":
    sys.exit(main())
