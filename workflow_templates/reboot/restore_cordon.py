"""Put the cordon back to what it was before the job."""

import sys

from workflow_templates import cordon
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import node_state
from workflow_templates.reboot import reboot_note, stage


def main() -> int:
    arguments = stage.parser(__doc__).parse_args()
    cluster = Cluster.in_pod()
    return stage.run(cluster, arguments, lambda: put_back(cluster, arguments.node, arguments.job))


def put_back(cluster: Cluster, node: str, job: str) -> str:
    """Take our mark off, and look whether the node is as schedulable as it was. Raises LostError."""
    before = cordon.note(cluster, node, job).before
    cordon.restore(cluster, node, job)
    reboot_note.forget(cluster, node, job)  # it is back: the clean-up has nothing to wait for
    cordoned = node_state.is_cordoned(stage.read(cluster, node))
    if cordoned and not before:
        return f"node {node} is cordoned, which it was not before: a person or another program has cordoned it since"
    if before and not cordoned:
        return f"node {node} is not cordoned, which it was before: a person or another program has uncordoned it since"
    return f"node {node} is as schedulable as it was before"


if __name__ == "__main__":
    sys.exit(main())
