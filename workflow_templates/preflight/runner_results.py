"""What the runners of a job left of each planned node: their outcomes and the end of each check's log."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from workflow_templates import own_workflow, step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, Object
from workflow_templates.preflight import check_results
from workflow_templates.preflight.check_output import TAIL_BYTES
from workflow_templates.preflight.check_results import Node
from workflow_templates.preflight.check_text import short
from workflow_templates.protocol import check_outcome, check_pods, labels
from workflow_templates.protocol.check_outcome import CheckOutcome
from workflow_templates.tail import Tail

_READERS = 8
#: A result file is at the end of its log (run.sh): 100 kB in lines of about 1,000 bytes; lines of the check before it.
_TAIL_LINES = "450"
#: Seconds that a runner which is being ended has to report what its checks found, and between two looks at it.
_LAST_WORD_SECONDS = 28.0
_LOOK_SECONDS = 1.0
#: Until all that the containers wrote is in their logs, of all together: what is read later had that time.
_WHOLE_LOG_SECONDS = 15.0
#: The templates of a runner of one check and of one of several.
_ALONE, _SHARED = "check", check_pods.SHARED_STEP


def nodes(cluster: Cluster, job: str, found: Object) -> list[Node]:
    """A line for each planned node, in the plan's order."""
    planned = own_workflow.planned(found)
    steps = _last_attempts(found)
    pods = _pods(cluster, job)
    until = time.monotonic() + _WHOLE_LOG_SECONDS

    def lines(step: Object) -> dict[str, Node]:
        return _lines(cluster, step, _nodes_of(step, planned), pods.get(str(step.get("id"))), until)

    with ThreadPoolExecutor(_READERS) as readers:
        known = {name: node for part in readers.map(lines, steps) for name, node in part.items()}
    return [known.get(name) or check_results.of(name, None, "") for name in planned]


def _last_attempts(found: Object) -> list[Object]:
    """The runners' entries in the Workflow; of those that were begun again, the last."""
    pods = [
        step
        for step in own_workflow.steps(found)
        if step.get("type") == "Pod" and step.get("templateName") in (_ALONE, _SHARED)
    ]
    by_age = sorted(pods, key=lambda step: (str(step.get("startedAt") or ""), len(str(step.get("name") or ""))))
    return list({_input(step): step for step in by_age}.values())


def _input(step: Object) -> str:
    given = own_workflow.parameters(step.get("inputs") or {})
    return str(given.get(check_pods.GROUP) or given.get("node"))


def _nodes_of(step: Object, planned: list[str]) -> list[str]:
    return check_pods.members(_input(step), planned) if step.get("templateName") == _SHARED else [_input(step)]


def _lines(cluster: Cluster, step: Object, names: list[str], pod: Object | None, until: float) -> dict[str, Node]:
    shared = step.get("templateName") == _SHARED
    reported = check_outcome.read(
        str(own_workflow.parameters(step.get("outputs") or {}).get(check_pods.OUTCOMES) or "")
    )
    texts: Mapping[str, str] = {}
    if pod is not None:
        texts = _logs(cluster, pod, names, shared=shared, until=until)
    return {name: _line(name, step, texts.get(name, ""), reported.get(name)) for name in names}


def _line(name: str, step: Object, text: str, reported: CheckOutcome | None) -> Node:
    try:
        return check_results.of(name, step, text, check_results.outcome_in(text) or reported)
    except Exception as fault:  # noqa: BLE001 - whatever is wrong with one node, the others are reported
        return Node(name, "error", short(f"what became of it could not be read: {type(fault).__name__}: {fault}"))


def _pods(cluster: Cluster, job: str) -> dict[str, Object]:
    """The runners' pods by the id of their step, each at its end, or when it has had the time for it."""
    path = f"/api/v1/namespaces/{cluster.namespace}/pods"
    until = time.monotonic() + _LAST_WORD_SECONDS
    while True:
        pods = list(cluster.list(path, labelSelector=labels.pods_of(job, labels.STEP_NODE)))
        if time.monotonic() > until or not any(_at_work(pod) for pod in pods):
            return {str((pod["metadata"].get("annotations") or {}).get(labels.ARGO_NODE_ID)): pod for pod in pods}
        time.sleep(_LOOK_SECONDS)


def _at_work(pod: Object) -> bool:
    status = pod.get("status") or {}
    states = {one["name"]: one.get("state") or {} for one in status.get("containerStatuses") or ()}
    return status.get("phase") == "Running" and "running" in states.get("main", {})


def _logs(cluster: Cluster, pod: Object, names: list[str], *, shared: bool, until: float) -> dict[str, str]:
    """The end of each check's log; empty where there is none, or its node does not answer."""
    if not (pod.get("status") or {}).get("containerStatuses"):
        return {}
    while True:
        texts = _read(cluster, pod, names, shared=shared)
        if all(check_results.outcome_in(text) for text in texts.values()) or time.monotonic() > until:
            return texts
        time.sleep(_LOOK_SECONDS)


def _read(cluster: Cluster, pod: Object, names: list[str], *, shared: bool) -> dict[str, str]:
    tails = {name: Tail(TAIL_BYTES) for name in names}
    path = f"/api/v1/namespaces/{cluster.namespace}/pods/{pod['metadata']['name']}/log"
    asked = {"container": "main"} if shared else {"container": "main", "tailLines": _TAIL_LINES}
    try:
        with cluster.stream(path, **asked) as pieces:
            if not shared:
                for piece in pieces:
                    tails[names[0]].feed(piece)
            for line in _whole_lines(pieces):
                name, _, text = line.partition(b": ")
                if tail := tails.get(name.decode(errors="replace")):
                    tail.feed(text + b"\n")
    except ClusterError as fault:
        step_output.log(f"{pod['metadata']['name']}: its log could not be read: {fault}")
    return {name: tail.text() for name, tail in tails.items()}


def _whole_lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
