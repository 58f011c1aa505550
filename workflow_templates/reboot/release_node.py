"""Free the node: the next job may have it."""

import sys

from workflow_templates import locks
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.reboot import stage


def main() -> int:
    arguments = stage.parser(__doc__).parse_args()
    cluster = Cluster.in_pod()

    def free() -> str:
        locks.release_control_plane(cluster, arguments.job)
        locks.release(cluster, arguments.node, arguments.job)
        return f"node {arguments.node} is free"

    return stage.run(cluster, arguments, free)


if __name__ == "__main__":
    sys.exit(main())
