"""The last step of a preflight job: what became of each node, as JSON, JUnit XML and a picture in the object store.

It runs after success, failure, stop and timeout, and reports what is known then. After a stop or a timeout Argo 4.0.7
begins no step a second time, so this one has much patience of its own.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_templates import say, workflow
from workflow_templates.cluster import Cluster, ClusterError, Object, UnavailableError
from workflow_templates.objects import Store, StoreAwayError, StoreError
from workflow_templates.preflight import checks, marks, watch
from workflow_templates.preflight.checks import Node
from workflow_templates.preflight.document import document
from workflow_templates.preflight.junit import junit
from workflow_templates.preflight.marks import Marks
from workflow_templates.preflight.matrix import matrix
from workflow_templates.preflight.text import short
from workflow_templates.tail import Tail

_READERS = 16
#: A result file is at the end of its log (run.sh): 100 kB in lines of about 1,000 bytes; lines of the check before it.
_TAIL_LINES = "450"
_TAIL_BYTES = 110_000
#: Argo keeps it in the Workflow, of which etcd takes 1.5 MB.
_GIVEN_UP_BYTES = 100_000
_NODE_ID = "workflows.argoproj.io/node-id"
#: As service/kube/lost_pods.py marks a pod whose node is gone, and with it the log.
_NODE_LOST = "NodeLost"
#: What waits longer for the store is tried again, where Argo does that.
EXIT_AGAIN = 75
_STORE_PATIENCE_SECONDS = 600.0
#: That a check which was told to end has to hand on what it found (run.sh), and between two looks at it.
_LAST_WORD_SECONDS = 15.0
#: Until all that the containers wrote is in their logs, of all together: what is read later had that time. And the exit
#: codes of one that came to its end by itself.
_WHOLE_LOG_SECONDS = 15.0
_BY_ITSELF = (0, checks.EXIT_UNHEALTHY, 2)
_LOOK_SECONDS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--plan", type=Path, default=Path("/etc/opsjob/plan.json"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--given-up", type=Path, required=True)
    parser.add_argument("--mark-taint", default="")
    parser.add_argument("--mark-label", default="")
    arguments = parser.parse_args()
    try:
        plan = json.loads(arguments.plan.read_text(encoding="utf-8"))
        cluster = Cluster.in_pod()
        checked = tested(cluster, arguments.job)
        arguments.given_up.write_text(never_started(checked), encoding="utf-8")
        store = Store.in_pod()
        store.patience = max(store.patience, _STORE_PATIENCE_SECONDS)
        address = write(store, arguments.job, plan, [*checked, *left_out(plan)])
    except (UnavailableError, StoreAwayError) as fault:
        say.last_word(f"the report was not written: {fault}")
        return EXIT_AGAIN
    except (ClusterError, StoreError, OSError) as fault:
        say.last_word(f"the report was not written: {fault}")
        return 1
    arguments.output.write_text(address, encoding="utf-8")
    try:
        marked = marks.put(cluster, checked, Marks(taint=arguments.mark_taint, label=arguments.mark_label))
    except ClusterError as fault:
        marked = f"the nodes were not marked: {fault}"
    say.last_word("; ".join(filter(None, (f"the report is {address}", marked))))
    return 0


def tested(cluster: Cluster, job: str) -> list[Node]:
    """The planned nodes. Raises ClusterError."""
    found = workflow.read(cluster, job)
    if found is None:
        raise ClusterError(f"job {job} is gone")
    steps = {
        str(workflow.parameters(step.get("inputs") or {}).get("node")): step
        for step in workflow.steps(found)
        if step.get("type") == "Pod" and step.get("templateName") == "check"
    }
    pods = _pods(cluster, job)
    logs_until = time.monotonic() + _WHOLE_LOG_SECONDS

    def node(name: str) -> Node:
        step = steps.get(name)
        pod = pods.get(str(step.get("id"))) if step else None
        try:
            return _node(cluster, name, step, pod, logs_until)
        except Exception as fault:  # noqa: BLE001 - whatever is wrong with one node, the others are reported
            return Node(name, "error", short(f"what became of it could not be read: {type(fault).__name__}: {fault}"))

    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(node, workflow.planned(found)))


def _node(cluster: Cluster, name: str, step: Object | None, pod: Object | None, logs_until: float) -> Node:
    if pod is None:
        return checks.of(name, step, "")
    given_up = watch.given_up(pod)
    return checks.of(name, step, "" if given_up else _log(cluster, pod, logs_until), given_up)


def never_started(nodes: Iterable[Node]) -> str:
    """Node → why its check was given up, as JSON for the record, of as many as an output parameter may hold."""
    given_up: dict[str, str] = {}
    room = _GIVEN_UP_BYTES
    for node in nodes:
        if node.reason.startswith(watch.NEVER_STARTED):
            room -= len(json.dumps({node.name: node.reason}, ensure_ascii=False).encode())
            if room < 0:
                break
            given_up[node.name] = node.reason
    return json.dumps(given_up, ensure_ascii=False)


def left_out(plan: Any) -> list[Node]:
    """The nodes that were selected and not planned, with the reason."""
    return [Node(node["name"], "skip", node["reason"]) for node in plan.get("excluded") or ()]


def write(store: Store, job: str, plan: Any, nodes: Iterable[Node]) -> str:
    """Put the report into the store; answers its address. Raises StoreError."""
    every = list(nodes)
    created = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    folder = f"preflight/{job}"
    store.put(f"{folder}/junit.xml", junit(job, every).encode(), "application/xml")
    store.put(f"{folder}/matrix.svg", matrix(job, every).encode(), "image/svg+xml")
    # Last, so that who finds it finds the others.
    store.put(f"{folder}/report.json", document(plan, job, created, every).encode(), "application/json")
    return store.address(f"{folder}/report.json")


def _pods(cluster: Cluster, job: str) -> dict[str, Object]:
    """The check pods by the id of their step, each at its end, or when it has had the time for it."""
    path = f"/api/v1/namespaces/{cluster.namespace}/pods"
    until = time.monotonic() + _LAST_WORD_SECONDS
    while True:
        pods = list(cluster.list(path, labelSelector=f"workflows.argoproj.io/workflow={job},opsjob.io/step=node"))
        if time.monotonic() > until or not any(_at_work(pod) for pod in pods):
            return {str((pod["metadata"].get("annotations") or {}).get(_NODE_ID)): pod for pod in pods}
        time.sleep(_LOOK_SECONDS)


def _at_work(pod: Object) -> bool:
    status = pod.get("status") or {}
    return status.get("phase") == "Running" and "running" in _state_of_main(status)


def _log(cluster: Cluster, pod: Object, until: float) -> str:
    """The end of a check's log; empty where it has none, or its node does not answer."""
    status = pod.get("status") or {}
    if not status.get("containerStatuses") or status.get("reason") == _NODE_LOST:
        return ""
    while True:
        text = _read(cluster, pod)
        if checks.is_whole(text) or _code(status) not in _BY_ITSELF or time.monotonic() > until:
            return text
        time.sleep(_LOOK_SECONDS)


def _read(cluster: Cluster, pod: Object) -> str:
    tail = Tail(_TAIL_BYTES)
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{pod['metadata']['name']}/log"
    try:
        with cluster.stream(path, container="main", tailLines=_TAIL_LINES) as pieces:
            for piece in pieces:
                tail.feed(piece)
    except ClusterError as fault:
        say.log(f"{pod['metadata']['name']}: its log could not be read: {fault}")
    return tail.text()


def _code(status: Object) -> int | None:
    code = (_state_of_main(status).get("terminated") or {}).get("exitCode")
    return None if code is None else int(code)


def _state_of_main(status: Object) -> Object:
    states = {one["name"]: one.get("state") or {} for one in status.get("containerStatuses") or ()}
    return states.get("main", {})


if __name__ == "__main__":
    sys.exit(main())
