"""Remember whether somebody had cordoned the node, and cordon it: no new pod comes."""

import json
import sys
from pathlib import Path

from workflow_templates import cordon
from workflow_templates.cluster import Cluster
from workflow_templates.reboot import stage


def main() -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--output", type=Path, default=Path("/tmp/cordoned-before"))  # noqa: S108 - the pod's own
    arguments = parser.parse_args()
    cluster = Cluster.in_pod()
    return stage.run(cluster, arguments, lambda: take(cluster, arguments.node, arguments.job, arguments.output))


def take(cluster: Cluster, node: str, job: str, output: Path) -> str:
    """Cordon the node, and note what was there before, in case the node comes back without its marks."""
    cordon.cordon(cluster, node, job)
    before = (stage.read(cluster, node)["metadata"].get("annotations") or {}).get(cordon.CORDONED_BEFORE) == "true"
    output.write_text(json.dumps(before))
    return f"node {node} is cordoned" + (", as it was before" if before else "")


if __name__ == "__main__":
    sys.exit(main())
