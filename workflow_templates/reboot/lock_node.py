"""Lock the node: no other job works on it meanwhile, and none on another node of the control plane."""

import sys

from workflow_templates import locks, pause, sigterm, until_unfrozen
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import node_state
from workflow_templates.reboot import stage


def main() -> int:
    arguments = stage.parser(__doc__).parse_args()
    cluster, node, job = Cluster.in_pod(), arguments.node, arguments.job
    return stage.run(cluster, arguments, lambda: begin(cluster, node, job))


def begin(cluster: Cluster, node: str, job: str) -> str:
    """As `take`, once the cluster is not frozen and the job not paused.

    A node that is locked, but waits for the control plane's turn, has not begun: its lock is free meanwhile.
    """
    with sigterm.raising():
        if until_unfrozen.read(cluster):
            locks.release_control_plane(cluster, job, node)
            locks.release(cluster, node, job)
            until_unfrozen.wait(cluster, f"node {node}")
        pause.wait(cluster, job, f"node {node}")
    return take(cluster, node, job)


def take(cluster: Cluster, node: str, job: str) -> str:
    """Raises HeldError, or WaitError: another node of the control plane is not Ready."""
    locks.take(cluster, node, job, ends_work=True)
    if node_state.is_control_plane(stage.read(cluster, node)):
        locks.take_control_plane(cluster, node, job)
        if why := stage.control_plane_unfit(cluster, node):
            locks.release_control_plane(cluster, job, node)  # the other may need a reboot to become Ready
            raise stage.WaitError(why)
    return f"node {node} is locked by job {job}"


if __name__ == "__main__":
    sys.exit(main())
