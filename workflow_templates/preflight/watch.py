"""Beside the checks: a pod that does not start in time is given up, with the reason why it could not.

A pod is not deleted for that: Argo 4.0.7 would make it again. One that no node has yet is marked Failed, which ends its
step with our sentence (as in service/kube/lost_pods.py). One that a kubelet has gets a deadline that has passed: a
kubelet takes back what others write into its pod's status. Argo then knows only of a deadline, so the reason is noted
at the pod.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from workflow_templates import say, workflow
from workflow_templates.cluster import Cluster, ClusterError, ConflictError, Object, UnavailableError

#: Between two looks, of which each reads the job's Workflow.
_LOOK_SECONDS = 2.0
_GIVEN_UP = "opsjob.io/given-up"
#: The reason of the kubelet's event when it begins to.
_PULLING = "Pulling"
#: How the reason begins, for whoever reads it later.
NEVER_STARTED = "could not be started"
#: Then Argo has somebody else go on.
EXIT_AGAIN = 75
_FINAL = ("Succeeded", "Failed", "Error", "Skipped", "Omitted")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--start-seconds", type=int, required=True)
    arguments = parser.parse_args()
    try:
        watch(Cluster.in_pod(), arguments.job, arguments.start_seconds)
    except UnavailableError as fault:
        say.last_word(f"nobody watches over the start of the checks until the Kubernetes API is back: {fault}")
        return EXIT_AGAIN
    except ClusterError as fault:
        say.last_word(f"nobody watched over the start of the checks: {fault}")
        return 1
    return 0


def watch(cluster: Cluster, job: str, start_seconds: int) -> None:
    """Until every check has ended."""
    while True:
        found = workflow.read(cluster, job)
        if found is None or all_ended(found):
            return
        give_up_late(cluster, job, start_seconds, datetime.now(UTC))
        time.sleep(_LOOK_SECONDS)


def all_ended(found: Object) -> bool:
    """Whether each planned node has a check, and that check an end."""
    ended = [
        step
        for step in workflow.steps(found)
        if step.get("type") == "Pod" and step.get("templateName") == "check" and step.get("phase") in _FINAL
    ]
    return len(ended) >= len(workflow.planned(found))


def give_up_late(cluster: Cluster, job: str, start_seconds: int, now: datetime) -> None:
    """Mark the pods Failed that did not start in time."""
    path = f"/api/v1/namespaces/{cluster.namespace}/pods"
    pending = cluster.list(
        path,
        labelSelector=f"workflows.argoproj.io/workflow={job},opsjob.io/step=node",
        # A pod whose executor runs while its main container waits for its image is Pending all the same.
        fieldSelector="status.phase=Pending",
    )
    for pod in pending:
        name = pod["metadata"]["name"]
        if now - _moment(pod["metadata"]["creationTimestamp"]) < timedelta(seconds=start_seconds) or given_up(pod):
            continue
        try:
            message = f"{NEVER_STARTED} within {start_seconds} s: {reason(pod, _events(cluster, pod))}"
            _give_up(cluster, pod, f"{path}/{name}", message)
        except ConflictError:
            continue  # it changed just now: the next look decides
        except UnavailableError:
            raise
        except ClusterError as fault:
            say.log(f"{name} should be given up, and could not be: {fault}")
            continue
        say.log(f"{name} {message}")


def _give_up(cluster: Cluster, pod: Object, path: str, message: str) -> None:
    if pod["spec"].get("nodeName"):
        change = {"metadata": {"annotations": {_GIVEN_UP: message}}, "spec": {"activeDeadlineSeconds": 1}}
        cluster.patch(pod, path, change)
    else:
        cluster.patch(pod, f"{path}/status", {"status": {"phase": "Failed", "message": message}})


def given_up(pod: Object) -> str:
    """Why the check of this pod was given up before it started; empty: it was not."""
    return str((pod["metadata"].get("annotations") or {}).get(_GIVEN_UP) or "")


def reason(pod: Object, events: Sequence[Object]) -> str:
    """What the kubelet or the scheduler says is in the way; `events` are the pod's, the oldest first."""
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("message"):
            return f"{waiting.get('reason', '')}: {waiting['message']}"
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason', '')}: {condition.get('message', '')}"
    if events and events[-1].get("reason") == _PULLING:
        return f"its node is still pulling the image ({events[-1].get('message', '')})"
    # A volume that cannot be mounted is said nowhere else.
    warnings = [event for event in events if event.get("type") == "Warning"]
    if not warnings:
        return "the kubelet gives no reason"
    return f"{warnings[-1].get('reason', '')}: {warnings[-1].get('message', '')}"


def _events(cluster: Cluster, pod: Object) -> list[Object]:
    path = f"/api/v1/namespaces/{cluster.namespace}/events"
    found = cluster.list(path, fieldSelector=f"involvedObject.uid={pod['metadata']['uid']}")
    return sorted(found, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


if __name__ == "__main__":
    sys.exit(main())
