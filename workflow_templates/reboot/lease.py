"""Hold the node's Lease: no other job works on it meanwhile."""

import sys

from workflow_templates import lease
from workflow_templates.cluster import Cluster
from workflow_templates.reboot import stage


def main() -> int:
    arguments = stage.parser(__doc__).parse_args()
    cluster = Cluster.in_pod()

    def take() -> str:
        lease.take(cluster, arguments.node, arguments.job)
        return f"node {arguments.node} is lent to job {arguments.job}"

    return stage.run(cluster, arguments, take)


if __name__ == "__main__":
    sys.exit(main())
