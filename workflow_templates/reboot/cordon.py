"""Remember whether somebody had cordoned the node, and cordon it: no new pod comes."""

import sys

from workflow_templates import cordon
from workflow_templates.cluster import Cluster
from workflow_templates.reboot import stage


def main() -> int:
    arguments = stage.parser(__doc__).parse_args()

    def take() -> str:
        cordon.cordon(Cluster.in_pod(), arguments.node, arguments.job)
        return f"node {arguments.node} is cordoned"

    return stage.end(take)


if __name__ == "__main__":
    sys.exit(main())
