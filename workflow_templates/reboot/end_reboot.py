"""See a node back with another boot id and Ready, give it back as it was, and note in the job's ledger how it ended."""

import sys
from pathlib import Path

from workflow_templates import locks
from workflow_templates.kubernetes_api import Cluster
from workflow_templates.protocol.ledger import State
from workflow_templates.protocol.rollout import FILE
from workflow_templates.reboot import lane_node, restore_cordon, stage, wait_for_boot


def main() -> int:
    parser = wait_for_boot.parser()
    parser.add_argument("--rollout", type=Path, default=Path("/etc/opsjob") / FILE)
    arguments = parser.parse_args()
    cluster = Cluster.in_pod()
    node = lane_node.LaneNode(cluster, arguments.job, arguments.node, arguments.rollout)

    def finish() -> str:
        # A pod before this one may have been lost between the note and the release.
        if node.ledger.state(node.name) is not State.SUCCEEDED:
            with node.given_back_on_failure():
                node.is_at("wait")
                said = wait_for_boot.wait(cluster, arguments)
                node.is_at("restore")
                restored = restore_cordon.put_back(cluster, node.name, node.job)
            node.ledger.note(node.name, State.SUCCEEDED)
        else:
            said, restored = f"node {node.name} has rebooted", "it was given back"
        locks.release_control_plane(cluster, node.job, node.name)
        locks.release(cluster, node.name, node.job)
        return f"{said}; {restored}"

    return stage.run(cluster, arguments, finish)


if __name__ == "__main__":
    sys.exit(main())
