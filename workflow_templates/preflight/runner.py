"""Look after the checks of one or more nodes: make their pods, write down what they write, end what must end.

The pods are in a namespace of their own, where this step's account may do just that (docs/decisions/0031). A runner
that is begun again takes over the pods that are there; a check never runs twice.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from workflow_templates import locks, sigterm, step_output
from workflow_templates.kubernetes_api import Cluster, ClusterError, ConflictError, UnavailableError
from workflow_templates.preflight import check_end, check_pod
from workflow_templates.preflight.check_output import ALONE_BYTES, SHARED_BYTES, Output
from workflow_templates.preflight.check_pod import CheckPlacement, Request
from workflow_templates.preflight.follow_log import Follower
from workflow_templates.protocol import check_outcome, check_pods, exit_codes, labels, node_lock, pod_start
from workflow_templates.protocol.check_outcome import CheckOutcome

Object = dict[str, Any]

#: Between two looks at the pods.
_LOOK_SECONDS = 1.0
#: Until the log of a check that has ended is read to its end.
_LOG_SECONDS = 10.0
#: Argo kills 30 s after it has told this step to end; the kubelet kills the checks before that.
_STOP_SECONDS = 24.0
#: This step broke; nothing is known of its checks.
_EXIT_BROKEN = 70
_UNKNOWN = CheckOutcome(status="error")
#: What a check's own code may not be: to Argo, or to the service, they say something about this step.
_NOT_A_CHECKS = (exit_codes.WAITING, exit_codes.NOT_BEGUN, exit_codes.NOT_STARTED, _EXIT_BROKEN)


@dataclass(slots=True)
class _Check:
    """A check that is looked after."""

    node: str
    output: Output
    #: When its pod was first refused, by the API's clock.
    refused: datetime | None = None
    follower: Follower | None = None
    made: bool = False
    #: Its pod's, once that has ended; its log may not be read to the end then.
    outcome: CheckOutcome | None = None
    #: By this step's own clock, until when its log is waited for.
    log_until: float = 0.0
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds that a check may take to start, and that its node may be silent while it runs."""

    start: int
    lost: int


class Runner:
    """The checks of one step. `repeated`: a step before this one may have made their pods."""

    def __init__(
        self, cluster: Cluster, request: Request, placement: CheckPlacement, limits: Limits, *, repeated: bool
    ) -> None:
        self._cluster = cluster
        self._request = request
        self._placement = placement
        self._limits = limits
        self._repeated = repeated
        self._stopping = False
        self._pods = f"/api/v1/namespaces/{placement.namespace}/pods"
        self._mine = f"{labels.JOB_ID}={placement.job},{labels.RUNNER}={placement.runner}"

    def run(self, nodes: Sequence[str]) -> dict[str, CheckOutcome]:
        """Until each check has ended. A stop of the job ends them all, and is in their outcomes.

        Raises UnavailableError: the API stayed away; a step after this one goes on.
        """
        shared = len(nodes) > 1
        size = SHARED_BYTES if shared else ALONE_BYTES
        checks = {node: _Check(node, Output(f"{node}: " if shared else "", size)) for node in nodes}
        try:
            with sigterm.raising():
                self._look_after(checks)
        except sigterm.StoppedError:
            self._end_all(checks)
        return {node: check.outcome or _UNKNOWN for node, check in checks.items()}

    def _look_after(self, checks: Mapping[str, _Check]) -> None:
        while True:
            for check in checks.values():
                if not check.made and not check.outcome:
                    self._make(check)
            self._look(checks)
            if all(check.over for check in checks.values()):
                return
            time.sleep(_LOOK_SECONDS)

    def _make(self, check: _Check) -> None:
        if self._repeated and self._ran_before(check.node):
            self._conclude(check, CheckOutcome(status="error", message="its pod is gone; it is not run a second time"))
            return
        if (why := self._not_ours(check.node)) and not self._pod(check.node):
            message = pod_start.given_up(why)
            self._conclude(check, CheckOutcome(status="error", message=message, never_started=True))
            return
        try:
            self._cluster.create(self._pods, check_pod.manifest(self._request, self._placement, check.node))
        except ConflictError:
            pass  # it is there: a repeated call of ours, or a step before this one, made it
        except UnavailableError:
            raise
        except ClusterError as fault:
            # A quota may be free later, and a rule may be corrected; nothing runs meanwhile.
            now = self._cluster.now()
            check.refused = check.refused or now
            if now - check.refused >= timedelta(seconds=self._limits.start):
                self._conclude(check, self._not_started(str(fault)))
            return
        check.made = True

    def _not_ours(self, node: str) -> str:
        """Why no check may begin on a node: its lock is not ours (lock_all_nodes gave it up); empty: it may."""
        lock = self._cluster.get(locks.path(self._cluster, node))
        holder = node_lock.holder(lock) if lock else ""
        if holder == self._placement.job:
            return ""
        if not lock or not holder:
            return f"node {node} is locked by no job: its lock was freed"
        over = ", which is over and may yet be at work there" if node_lock.is_over(lock) else ""
        return f"node {node} is locked by job {holder}{over}"

    def _ran_before(self, node: str) -> bool:
        """Whether a step before this one had a pod on this node that began, and is no longer there."""
        if self._pod(node):
            return False
        name = check_pods.pod_name(self._placement.job, node)
        return any(self._events(f"involvedObject.name={name},reason=Started"))

    def _pod(self, node: str) -> Object | None:
        return self._cluster.get(f"{self._pods}/{check_pods.pod_name(self._placement.job, node)}")

    def _look(self, checks: Mapping[str, _Check]) -> None:
        pods = {
            (pod["metadata"].get("annotations") or {}).get(labels.NODE): pod
            for pod in self._cluster.list(self._pods, labelSelector=self._mine)
        }
        for node, check in checks.items():
            if not check.over and (check.made or check.outcome):
                self._see(check, pods.get(node))

    def _see(self, check: _Check, pod: Object | None) -> None:
        if check.outcome is None:
            self._judge(check, pod)
        if check.outcome is None:
            return
        read = check.follower is None or not check.follower.is_alive()
        if read or time.monotonic() > check.log_until:
            if check.follower and not read:
                check.follower.give_up()
            if not self._stopping:
                check.output.close(check.outcome)
            check.over = True

    def _judge(self, check: _Check, pod: Object | None) -> None:
        if pod is None:
            self._conclude(check, CheckOutcome(status="error", message="its pod was deleted before it had ended"))
            return
        state = check_end.main_state(pod)
        if ("running" in state or "terminated" in state) and check.follower is None:
            path = f"{self._pods}/{pod['metadata']['name']}/log"
            check.follower = Follower(self._cluster, path, check.output.line)
            check.follower.start()
        if ended := check_end.outcome(pod):
            self._conclude(check, ended)
        elif (why := self._given_up(pod)) is not None:
            self._conclude(check, why)
            self._delete(check.node)

    def _given_up(self, pod: Object) -> CheckOutcome | None:
        """How a check ends that does not start, or whose node is gone; None: it is on its way."""
        now, state = self._cluster.now(), check_end.main_state(pod)
        if "running" not in state and "terminated" not in state:
            age = now - check_end.moment(pod["metadata"]["creationTimestamp"])
            late = age >= timedelta(seconds=self._limits.start)
            if not late:
                return None
            return self._not_started(
                check_end.in_the_way(pod, self._events(f"involvedObject.uid={pod['metadata']['uid']}"))
            )
        silent = check_end.silent_since(pod)
        if silent is None or now - silent < timedelta(seconds=self._limits.lost):
            return None
        node = (pod.get("spec") or {}).get("nodeName", "")
        started = str((state.get("running") or {}).get("startedAt") or "")
        message = f"node {node} did not answer for {self._limits.lost} s and was given up"
        return CheckOutcome(status="error", message=message, started=started)

    def _not_started(self, why: str) -> CheckOutcome:
        message = pod_start.given_up(why, self._limits.start)
        return CheckOutcome(status="error", message=message, never_started=True)

    def _conclude(self, check: _Check, outcome: CheckOutcome) -> None:
        check.outcome = outcome
        check.log_until = time.monotonic() + _LOG_SECONDS
        if check.follower:
            check.follower.container_ended()

    def _events(self, selector: str) -> list[Object]:
        path = f"/api/v1/namespaces/{self._placement.namespace}/events"
        found = self._cluster.list(path, fieldSelector=selector)
        return sorted(found, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))

    def _delete(self, node: str) -> None:
        """Whatever the pod does about it: after its grace the kubelet kills."""
        self._cluster.remove(f"{self._pods}/{check_pods.pod_name(self._placement.job, node)}")

    def _end_all(self, checks: Mapping[str, _Check]) -> None:
        """What checks write until they have ended is written down: they may have found something."""
        self._stopping = True
        self._cluster.patience = self._cluster.refusal_patience = _STOP_SECONDS
        until = time.monotonic() + _STOP_SECONDS
        running = [check for check in checks.values() if check.outcome is None]
        try:
            for check in running:
                check.made = True
                self._delete(check.node)
            while time.monotonic() < until and not all(check.over for check in checks.values()):
                self._look(checks)
                time.sleep(_LOOK_SECONDS / 5)
        except ClusterError as fault:
            step_output.log(f"what became of the checks could not be read: {fault}")
        for check in running:
            if check.outcome is None or check.outcome.status == "error":
                check.outcome = replace(check.outcome or _UNKNOWN, message="was stopped", cut_off=True)
        for check in checks.values():
            check.output.close(check.outcome or _UNKNOWN)


def ends_with(outcomes: Mapping[str, CheckOutcome]) -> tuple[int, str]:
    """This step's exit code and termination message: of one check its own, of several the worst and how many."""
    if any(one.cut_off for one in outcomes.values()):
        return sigterm.EXIT_STOPPED, ""
    if len(outcomes) == 1:
        (only,) = outcomes.values()
        return _code(only), only.message
    counts = {status: sum(one.status == status for one in outcomes.values()) for status in ("fail", "error")}
    if not any(counts.values()):
        return 0, ""
    message = f"of {len(outcomes)} nodes {counts['fail']} are unhealthy, {counts['error']} could not be tested"
    return (1 if counts["fail"] else 2), message


def _code(outcome: CheckOutcome) -> int:
    if outcome.status == "pass":
        return 0
    if outcome.status == "fail":
        return check_end.EXIT_UNHEALTHY
    if outcome.never_started:
        return exit_codes.NOT_STARTED
    reserved = (None, 0, check_end.EXIT_UNHEALTHY, *_NOT_A_CHECKS)
    return 2 if outcome.code in reserved else int(outcome.code or 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", required=True)
    parser.add_argument("--nodes", type=json.loads, required=True, help="as JSON")
    parser.add_argument("--namespace", required=True, help="of the checks' pods")
    parser.add_argument("--start-seconds", type=int, required=True)
    parser.add_argument("--lost-seconds", type=int, required=True)
    parser.add_argument("--attempt", type=int, default=0)
    parser.add_argument("--files", type=Path, default=Path("/etc/opsjob"))
    parser.add_argument("--outcomes", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        outcomes = _runner(arguments).run(arguments.nodes)
    except UnavailableError as fault:
        step_output.write_termination_message(f"goes on when the Kubernetes API is back: {fault}")
        return exit_codes.WAITING
    except (ClusterError, OSError, ValueError, TypeError) as fault:
        step_output.write_termination_message(f"nothing is known of the checks: {type(fault).__name__}: {fault}")
        return _EXIT_BROKEN
    arguments.outcomes.write_text(check_outcome.written(outcomes), encoding="utf-8")
    code, message = ends_with(outcomes)
    if message:
        step_output.write_interim_message(message)
    return code


def _runner(arguments: argparse.Namespace) -> Runner:
    asked = json.loads((arguments.files / check_pods.REQUEST_FILE).read_text(encoding="utf-8"))
    placement = CheckPlacement(
        namespace=arguments.namespace,
        job=arguments.job,
        owner_uid=(arguments.files / check_pods.OWNER_FILE).read_text(encoding="utf-8").strip(),
        runner=check_pods.digest(json.dumps(arguments.nodes)),
    )
    limits = Limits(start=arguments.start_seconds, lost=arguments.lost_seconds)
    return Runner(Cluster.in_pod(), Request(**asked), placement, limits, repeated=arguments.attempt > 0)


if __name__ == "__main__":
    sys.exit(main())
