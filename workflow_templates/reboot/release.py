"""Free the node's Lease: the next job may have it."""

import sys

from workflow_templates import lease
from workflow_templates.cluster import Cluster
from workflow_templates.reboot import stage


def main() -> int:
    arguments = stage.parser(__doc__).parse_args()
    cluster = Cluster.in_pod()

    def free() -> str:
        lease.release(cluster, arguments.node, arguments.job)
        return f"node {arguments.node} is free"

    return stage.run(cluster, arguments, free)


if __name__ == "__main__":
    sys.exit(main())
