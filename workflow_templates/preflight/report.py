"""The last step of a preflight job: what became of each node, as JSON, JUnit XML and a picture in the object store.

It runs after success, failure, stop and timeout, and reports what is known then. After a stop or a timeout Argo 4.0.7
begins no step a second time, so this one tries for long.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_templates import own_workflow, step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, UnavailableError
from workflow_templates.object_store import Store, StoreAwayError, StoreError
from workflow_templates.preflight import marks, runner_results
from workflow_templates.preflight.check_results import Node
from workflow_templates.preflight.marks import Marks
from workflow_templates.preflight.report_json import document
from workflow_templates.preflight.report_junit import junit
from workflow_templates.preflight.report_svg import matrix
from workflow_templates.protocol import exit_codes

#: What waits longer for the store is tried again, where Argo does that.
_STORE_PATIENCE_SECONDS = 600.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--plan", type=Path, default=Path("/etc/opsjob/plan.json"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--mark-taint", default="")
    parser.add_argument("--mark-label", default="")
    arguments = parser.parse_args()
    try:
        plan = json.loads(arguments.plan.read_text(encoding="utf-8"))
        cluster = Cluster.in_pod()
        checked = tested(cluster, arguments.job)
        store = Store.in_pod()
        store.patience = max(store.patience, _STORE_PATIENCE_SECONDS)
        address = write(store, arguments.job, plan, [*checked, *left_out(plan)])
    except (UnavailableError, StoreAwayError) as fault:
        step_output.write_termination_message(str(fault))
        return exit_codes.WAITING
    except (ClusterError, StoreError, OSError) as fault:
        step_output.write_termination_message(str(fault))
        return 1
    arguments.output.write_text(address, encoding="utf-8")
    try:
        wanted = Marks(taint=arguments.mark_taint, label=arguments.mark_label)
        marked = marks.put(cluster, checked, wanted, arguments.job)
    except ClusterError as fault:
        marked = f"the nodes were not marked: {fault}"
    step_output.write_termination_message("; ".join(filter(None, (f"the report is {address}", marked))))
    return 0


def tested(cluster: Cluster, job: str) -> list[Node]:
    """The planned nodes. Raises ClusterError."""
    found = own_workflow.read(cluster, job)
    if found is None:
        raise ClusterError(f"job {job} is gone")
    return runner_results.nodes(cluster, job, found)


def left_out(plan: Any) -> list[Node]:
    """The nodes that were selected and not planned, with the reason."""
    return [Node(node["name"], "skip", node["reason"]) for node in plan.get("excluded") or ()]


def write(store: Store, job: str, plan: Any, nodes: Iterable[Node]) -> str:
    """Put the report into the store; returns its address. Raises StoreError."""
    every = list(nodes)
    created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    folder = f"preflight/{job}"
    store.put(f"{folder}/junit.xml", junit(job, every).encode(), "application/xml")
    store.put(f"{folder}/matrix.svg", matrix(job, every).encode(), "image/svg+xml")
    # Last, so that who finds it finds the others.
    store.put(f"{folder}/report.json", document(plan, job, created, every).encode(), "application/json")
    return store.address(f"{folder}/report.json")


if __name__ == "__main__":
    sys.exit(main())
