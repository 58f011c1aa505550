"""The end of a preflight job: its checks end, whatever they do about it, and its nodes are given back.

It runs after success, failure, stop and timeout, as a part of the Workflow's exit handler.
"""

import argparse
import sys
import time

from workflow_templates import lock_queue, locks, release_nodes, step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, UnavailableError
from workflow_templates.protocol import exit_codes, labels, node_lock, node_state

#: A check has 15 s to end, and then the kubelet needs a moment to say so.
_END_SECONDS = 60.0
_LOOK_SECONDS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--namespace", required=True, help="of the checks' pods")
    arguments = parser.parse_args()
    try:
        cluster = Cluster.in_pod()
        for node in end_checks(cluster, arguments.namespace, arguments.job):
            note_work(cluster, node, arguments.job)
        lock_queue.leave(cluster, arguments.job)
        release_nodes.restore(cluster, arguments.job)
    except UnavailableError as fault:
        step_output.write_termination_message(f"the nodes of job {arguments.job} are given back later: {fault}")
        return exit_codes.WAITING
    except ClusterError as fault:
        step_output.write_termination_message(f"not every node of job {arguments.job} could be given back: {fault}")
        return exit_codes.FAILED
    return 0


def end_checks(cluster: Cluster, namespace: str, job: str) -> list[str]:
    """Delete the pods of the job's checks and wait until they are gone.

    Returns:
        The nodes whose kubelets do not report that: they are gone, or silent.

    Raises:
        ClusterError: the pods could not be read or deleted.
    """
    path = f"/api/v1/namespaces/{namespace}/pods"
    until = time.monotonic() + _END_SECONDS
    while True:
        left = list(cluster.list(path, labelSelector=f"{labels.JOB_ID}={job}"))
        for pod in left:
            if not pod["metadata"].get("deletionTimestamp"):
                cluster.remove(f"{path}/{pod['metadata']['name']}")
        if not left:
            return []
        if time.monotonic() > until:
            return sorted(node for pod in left if (node := (pod.get("spec") or {}).get("nodeName")))
        time.sleep(_LOOK_SECONDS)


def note_work(cluster: Cluster, node: str, job: str) -> None:
    """Keep the node locked until its kubelet reports again, or it has another boot: the check may go on there."""
    step_output.log(f"node {node} does not report that its check has ended")
    found = cluster.get(f"/api/v1/nodes/{node}")
    if found is None:
        return
    work = node_lock.Work(job, node_state.boot_id(found) or "unknown")
    try:
        locks.note(cluster, node, job, {labels.WORK_BEGUN: work.text()})
    except locks.LostError:
        return


if __name__ == "__main__":
    sys.exit(main())
