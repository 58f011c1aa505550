"""Free the node's Lease: the next job may have it."""

import sys

from workflow_templates import lease
from workflow_templates.cluster import Cluster
from workflow_templates.reboot import stage


def main() -> int:
    arguments = stage.parser(__doc__).parse_args()

    def free() -> str:
        lease.release(Cluster.in_pod(), arguments.node, arguments.job)
        return f"node {arguments.node} is free"

    return stage.end(free)


if __name__ == "__main__":
    sys.exit(main())
