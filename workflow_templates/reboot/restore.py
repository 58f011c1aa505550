"""Put the cordon back to what it was before the job."""

import sys

from workflow_templates import cordon
from workflow_templates.cluster import Cluster
from workflow_templates.reboot import stage


def main() -> int:
    arguments = stage.parser(__doc__).parse_args()

    def put_back() -> str:
        cordon.restore(Cluster.in_pod(), arguments.node, arguments.job)
        return f"node {arguments.node} is as schedulable as it was before"

    return stage.end(put_back)


if __name__ == "__main__":
    sys.exit(main())
