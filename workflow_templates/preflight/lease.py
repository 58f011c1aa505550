"""Hold the Leases of all planned nodes: no other job works on them meanwhile."""

import argparse
import sys

from workflow_templates import locks, say, workflow
from workflow_templates.cluster import Cluster, ClusterError, UnavailableError

EXIT_WAITING = 75


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    job = parser.parse_args().job
    try:
        sentence = take_all(Cluster.in_pod(), job)
    except (locks.HeldError, UnavailableError) as reason:
        say.last_word(str(reason))
        return EXIT_WAITING
    except ClusterError as fault:
        say.last_word(str(fault))
        return 1
    say.last_word(sentence)
    return 0


def take_all(cluster: Cluster, job: str) -> str:
    """Everybody takes nodes in the order of their names, so two jobs never wait for each other.

    Raises:
        HeldError: another job has one of them. Those before it stay held until this is tried again.
    """
    found = workflow.read(cluster, job)
    nodes = sorted(workflow.planned(found)) if found else []
    for node in nodes:
        locks.take(cluster, node, job)
    return f"{len(nodes)} nodes are locked by job {job}"


if __name__ == "__main__":
    sys.exit(main())
