"""The last step of a job that locks nodes: what its pods could not give back themselves goes back here.

It runs after success, failure, stop and timeout, as the Workflow's exit handler.
"""

import argparse
import sys
import time

from workflow_templates import cordon, locks, step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, Object, UnavailableError
from workflow_templates.protocol import exit_codes, labels, node_lock

#: A stopped pod has 30 s to end; the kubelet then needs a moment to say so.
_PODS_END_SECONDS = 45.0
_LOOK_SECONDS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    job = parser.parse_args().job
    try:
        restore(Cluster.in_pod(), job)
    except UnavailableError as fault:
        step_output.write_termination_message(f"the nodes of job {job} are given back later: {fault}")
        return exit_codes.WAITING
    except ClusterError as fault:
        step_output.write_termination_message(f"not every node of job {job} could be given back: {fault}")
        return 1
    return 0


def restore(cluster: Cluster, job: str) -> None:
    """Put back the cordons and free the locks that this job still has, once its work on the nodes has ended.

    A step cordons only under the node lock and frees that last: the locks name every node that is left. Of a thousand
    planned nodes that is seldom one, so the plan is not gone through. A node that cannot be given back holds up no
    other, and stays locked; so does one on which the job's work goes on, until the service sees that end.

    Raises:
        UnavailableError: the API stayed away; what is left can be given back later.
        ClusterError: nodes that were refused, each with the reason.
    """
    _wait_for_pods(cluster, job)
    refused = []
    for node, lock in locks.held(cluster, job).items():
        try:
            give_back(cluster, node, lock, job)
        except UnavailableError:
            raise
        except ClusterError as fault:
            step_output.log(f"node {node} is not given back: {fault}")
            refused.append(f"node {node}: {fault}")
    if refused:
        raise ClusterError("; ".join(refused))


def give_back(cluster: Cluster, node: str, lock: Object, job: str) -> None:
    """Put one node's cordon back and free its lock, unless the job's work there goes on, or a reboot is pending."""
    if why := _unfinished(cluster, node, lock):
        step_output.log(f"node {node} stays locked by job {job} beyond its end: {why}")
        locks.note_over(cluster, node, job)
        return
    if cordon.restore(cluster, node, job):
        step_output.log(f"node {node}: its cordon is what it was before")
    locks.release(cluster, node, job)


def _unfinished(cluster: Cluster, node: str, lock: Object) -> str:
    work, reboot = node_lock.work(lock), node_lock.reboot_note(lock)
    if not work and not reboot:
        return ""
    found = cluster.get(f"/api/v1/nodes/{node}")
    pods = cluster.list(
        f"/api/v1/namespaces/{cluster.namespace}/pods",
        labelSelector=labels.pods_of(work.job if work else "", labels.STEP_NODE),
        fieldSelector=f"spec.nodeName={node}",
    )
    pending = node_lock.reboot_pending(lock, found, cluster.now())
    return pending or node_lock.work_unfinished(lock, found, pods)


def _wait_for_pods(cluster: Cluster, job: str) -> None:
    """A node must not be given to another job while a script of this job is still being ended on it.

    A pod whose node died never ends: that one is not waited for beyond its grace.
    """
    end = time.monotonic() + _PODS_END_SECONDS
    while time.monotonic() < end and any(_pods_at_work(cluster, job)):
        time.sleep(_LOOK_SECONDS)


def _pods_at_work(cluster: Cluster, job: str) -> list[str]:
    pods = cluster.list(
        f"/api/v1/namespaces/{cluster.namespace}/pods",
        labelSelector=labels.pods_of(job, labels.STEP_NODE),
        fieldSelector="status.phase!=Succeeded,status.phase!=Failed",
    )
    return [pod["metadata"]["name"] for pod in pods]


if __name__ == "__main__":
    sys.exit(main())
