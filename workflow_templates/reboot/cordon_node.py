"""Note whether the node was cordoned before, and cordon it: no new pod comes."""

import sys

from workflow_templates import cordon
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.reboot import stage


def main() -> int:
    arguments = stage.parser(__doc__).parse_args()
    cluster = Cluster.in_pod()
    return stage.run(cluster, arguments, lambda: take(cluster, arguments.node, arguments.job))


def take(cluster: Cluster, node: str, job: str) -> str:
    """The note lies at the node lock: a node that registers itself anew comes back without its marks."""
    cordon.cordon(cluster, node, job)
    before = cordon.note(cluster, node, job).before
    return f"node {node} is cordoned" + (", as it was before" if before else "")


if __name__ == "__main__":
    sys.exit(main())
