"""Note the boot id that the node has now: only another one proves that it rebooted."""

import sys
from pathlib import Path

from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol import node_state
from workflow_templates.reboot import stage


def main() -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--output", type=Path, default=Path("/tmp/boot-id"))  # noqa: S108 - the pod's own
    arguments = parser.parse_args()
    cluster = Cluster.in_pod()
    return stage.run(cluster, arguments, lambda: note(cluster, arguments.node, arguments.output))


def note(cluster: Cluster, node: str, output: Path) -> str:
    """Raises FailedError: the node reports none."""
    boot_id = node_state.boot_id(stage.read(cluster, node))
    if not stage.is_boot_id(boot_id):
        raise stage.FailedError(f"node {node} reports no boot id, so a reboot could not be proven: {boot_id!r}")
    output.write_text(boot_id)
    return f"node {node} has boot id {boot_id}"


if __name__ == "__main__":
    sys.exit(main())
