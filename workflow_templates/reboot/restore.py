"""Put the cordon back to what it was before the job."""

import json
import sys

from workflow_templates import cordon
from workflow_templates.cluster import Cluster, ConflictError
from workflow_templates.reboot import stage


def main() -> int:
    parser = stage.parser(__doc__)
    parser.add_argument("--cordoned-before", type=json.loads, required=True)
    arguments = parser.parse_args()
    cluster = Cluster.in_pod()
    return stage.run(
        cluster, arguments, lambda: put_back(cluster, arguments.node, arguments.job, before=arguments.cordoned_before)
    )


def put_back(cluster: Cluster, node: str, job: str, *, before: bool) -> str:
    """Take our mark off, and look whether the node is as schedulable as it was.

    A node that registered itself anew has lost its marks, and with them the cordon of whoever had cordoned it.
    """
    while True:
        cordon.restore(cluster, node, job)
        found = stage.read(cluster, node)
        cordoned = bool((found.get("spec") or {}).get("unschedulable"))
        if cordoned == before:
            return f"node {node} is as schedulable as it was before"
        if cordoned:
            return f"node {node} is cordoned, which it was not before: somebody else has cordoned it since"
        try:
            cluster.patch(found, f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
        except ConflictError:
            continue


if __name__ == "__main__":
    sys.exit(main())
